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
  default = "1.33"
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

variable "network" {
  type    = string
  default = "10.40.0.0/16"
}
