# A platform for 50 clinics whose data stays in the middle of the European Union. docs/operations.md goes through it step by step.

module "plan" {
  source    = "../../modules/plan"
  name      = "praxis"
  cloud     = "aws"
  residency = "eu-central"
  clinics   = 50
  domain    = var.domain
}

module "cloud" {
  source       = "../../modules/aws"
  plan         = module.plan
  api_networks = var.api_networks
}

module "release" {
  source               = "../../modules/release"
  chart                = "${path.module}/../../../charts/control-plane"
  image                = var.image
  hosts                = module.plan.hosts
  residency            = module.plan.residency
  databases            = module.cloud.databases
  clinics_per_database = module.plan.database.clinics
  object_store         = module.cloud.object_store
  object_store_key     = module.cloud.object_store_key
  secrets              = var.secrets
  mail_from            = "DentalPin <no-reply@${var.domain}>"
}

variable "domain" {
  type = string
}

variable "api_networks" {
  type        = list(string)
  description = "From where operators reach the cluster's API."
}

variable "image" {
  type = object({ repository = string, digest = string })
}

variable "secrets" {
  type        = map(string)
  sensitive   = true
  description = "See modules/release. Give it by TF_VAR_secrets or a file outside the repository."
}

output "name_servers" {
  value = module.cloud.name_servers
}
