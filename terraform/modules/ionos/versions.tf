terraform {
  required_version = ">= 1.9"
  required_providers {
    ionoscloud = { source = "ionos-cloud/ionoscloud", version = ">= 6.7.20, < 7.0" }
    random     = { source = "hashicorp/random", version = ">= 3.6, < 4.0" }
  }
}
