terraform {
  required_version = ">= 1.9"
  required_providers {
    helm       = { source = "hashicorp/helm", version = ">= 3.0, < 4.0" }
    ionoscloud = { source = "ionos-cloud/ionoscloud", version = ">= 6.7.20, < 7.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.36, < 4.0" }
    random     = { source = "hashicorp/random", version = ">= 3.6, < 4.0" }
  }
  # The state holds the databases' passwords: keep it in a bucket of your own, encrypted, with few readers.
}

provider "ionoscloud" {}

data "ionoscloud_k8s_cluster" "this" {
  id = module.cloud.cluster.id
}

locals {
  configuration = yamldecode(data.ionoscloud_k8s_cluster.this.kube_config)
}

provider "kubernetes" {
  host                   = local.configuration.clusters[0].cluster.server
  cluster_ca_certificate = base64decode(local.configuration.clusters[0].cluster["certificate-authority-data"])
  token                  = local.configuration.users[0].user.token
}

provider "helm" {
  kubernetes = {
    host                   = local.configuration.clusters[0].cluster.server
    cluster_ca_certificate = base64decode(local.configuration.clusters[0].cluster["certificate-authority-data"])
    token                  = local.configuration.users[0].user.token
  }
}
