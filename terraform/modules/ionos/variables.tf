variable "plan" {
  description = "The outputs of modules/plan."
  type = object({
    region    = string
    residency = string
    names     = object({ cluster = string, database = string, bucket = string, secret = string })
    nodes     = object({ min = number, max = number, cpus = number, memory_gib = number })
    databases = number
    database  = object({ database_cpus = number, database_memory_gib = number, database_storage_gib = number, retention_days = number, clinics = number })
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
  default     = "17"
  description = "No newer than the client programs in our images."
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
