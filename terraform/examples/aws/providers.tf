terraform {
  required_version = ">= 1.9"
  required_providers {
    aws        = { source = "hashicorp/aws", version = ">= 6.0, < 7.0" }
    helm       = { source = "hashicorp/helm", version = ">= 3.0, < 4.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.36, < 4.0" }
    random     = { source = "hashicorp/random", version = ">= 3.6, < 4.0" }
  }
  # The state holds the databases' passwords: keep it in a bucket of your own, encrypted, with few readers.
}

provider "aws" {
  region = module.plan.region
}

data "aws_eks_cluster_auth" "this" {
  name = module.cloud.cluster.name
}

provider "kubernetes" {
  host                   = module.cloud.cluster.endpoint
  cluster_ca_certificate = base64decode(module.cloud.cluster.ca)
  token                  = data.aws_eks_cluster_auth.this.token
}

provider "helm" {
  kubernetes = {
    host                   = module.cloud.cluster.endpoint
    cluster_ca_certificate = base64decode(module.cloud.cluster.ca)
    token                  = data.aws_eks_cluster_auth.this.token
  }
}
