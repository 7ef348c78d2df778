variable "plan" {
  description = "The outputs of modules/plan."
  type = object({
    region    = string
    residency = string
    names     = object({ cluster = string, database = string, bucket = string, secret = string })
    nodes     = object({ min = number, max = number, cpus = number, memory_gib = number })
    databases = number
    database  = object({ database_cpus = number, database_memory_gib = number, database_storage_gib = number, retention_days = number, clinics = number, connections = number })
    hosts     = object({ platform = string, clinics = string, domain = string })
    labels    = map(string)
  })
}

variable "kubernetes_version" {
  type    = string
  default = "1.32.6"
}

variable "postgres_version" {
  type        = string
  default     = "15"
  description = "No newer than the client programs in our images, and one that IONOS has: its documentation names 14 and 15."
  validation {
    condition     = tonumber(var.postgres_version) >= 15 && tonumber(var.postgres_version) <= 17
    error_message = "PostgreSQL 15, 16 or 17."
  }
}

variable "api_networks" {
  type        = list(string)
  description = "From where the cluster's API may be reached."
  validation {
    condition     = length(var.api_networks) > 0 && !contains(var.api_networks, "0.0.0.0/0")
    error_message = "Name the networks operators come from; the whole internet is not one."
  }
}

variable "database_network" {
  type        = string
  default     = "192.168.59.0/24"
  description = "Of the private network by which nodes reach the databases."
  validation {
    condition     = can(cidrhost(var.database_network, 0)) && !startswith(var.database_network, "192.168.230.") && !can(regex("^10\\.(20[89]|21[0-9]|22[0-3]|233)\\.", var.database_network))
    error_message = "A network, and none that IONOS keeps for itself: 10.208.0.0/12, 10.233.0.0/17 and 192.168.230.0/24."
  }
}

variable "ingress_address" {
  type        = string
  default     = ""
  description = "The IPv4 address of the ingress controller's load balancer, once it has one."
  validation {
    condition     = var.ingress_address == "" || can(cidrhost("${var.ingress_address}/32", 0))
    error_message = "An IPv4 address."
  }
}
