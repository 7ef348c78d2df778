# What a platform comes to, before any cloud is asked: where, how large, and what everything is called. Without a provider.

terraform {
  required_version = ">= 1.9"
}

variable "name" {
  type        = string
  description = "What the platform is called; part of every name."
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "A name is 3 to 20 lower-case letters, digits and hyphens, begins with a letter and ends with no hyphen."
  }
}

variable "cloud" {
  type        = string
  description = "aws or ionos."
  validation {
    condition     = contains(["aws", "ionos"], var.cloud)
    error_message = "There are modules for aws and ionos."
  }
}

variable "residency" {
  type        = string
  description = "Where clinics' data must lie, in the words of the compliance packs."
  validation {
    condition     = contains(keys(jsondecode(file("${path.module}/regions.json"))), var.residency)
    error_message = "Residency is one of the regions that compliance packs name: ${join(", ", keys(jsondecode(file("${path.module}/regions.json"))))}."
  }
  validation {
    condition     = contains(keys(lookup(jsondecode(file("${path.module}/regions.json")), var.residency, {})), var.cloud)
    error_message = "This cloud has no region for that residency with all that a platform needs. Take another cloud for it, never another region."
  }
}

variable "clinics" {
  type        = number
  default     = 50
  description = "For how many clinics there should be room."
  validation {
    condition     = var.clinics >= 1 && var.clinics <= 3000 && floor(var.clinics) == var.clinics
    error_message = "One cluster takes 1 to 3000 clinics. For more, make another one and register it with the platform."
  }
}

variable "domain" {
  type        = string
  description = "The platform answers at app.<domain>, clinics at <slug>.<domain>."
  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "A domain is written in lower case, without a dot at the end, such as clinics.example.org."
  }
}

variable "database_retention_days" {
  type        = number
  default     = null
  description = "How far back the database can be taken to any moment; as far as 14 days where nothing is said and the cloud goes so far."
  validation {
    condition     = var.database_retention_days == null || try(var.database_retention_days >= 7 && var.database_retention_days <= 35, false)
    error_message = "Between 7 and 35 days."
  }
  validation {
    condition     = try(var.database_retention_days <= local.clouds[var.cloud].retention_days, true)
    error_message = "This cloud does not go back so far: IONOS keeps 7 days, AWS 35."
  }
}

locals {
  # docs/operations.md, "Capacity", says where these figures come from.
  clinics_per_node = 60
  nodes            = max(2, ceil(var.clinics / local.clinics_per_node))
  sizes = {
    small  = { database_cpus = 2, database_memory_gib = 8, database_storage_gib = 100, clinics = 75 }
    medium = { database_cpus = 4, database_memory_gib = 16, database_storage_gib = 400, clinics = 150 }
    large  = { database_cpus = 8, database_memory_gib = 32, database_storage_gib = 1000, clinics = 300 }
  }
  # Memory helps only where it brings connections: at IONOS the largest server takes no more clinics than the medium one.
  size = var.clinics <= 50 ? "small" : var.clinics <= 150 || var.cloud == "ionos" ? "medium" : "large"
  # What a cloud allows: days it goes back, and connections to one server, where that cannot be set.
  clouds = {
    aws   = { retention_days = 35, connections = null }
    ionos = { retention_days = 7, connections = local.sizes[local.size].database_memory_gib > 8 ? 1000 : 896 }
  }
  connections_per_clinic = 12
  connections_kept_back  = 50
  clinics_per_database = min(
    local.sizes[local.size].clinics,
    try(floor((local.clouds[var.cloud].connections - local.connections_kept_back) / local.connections_per_clinic), local.sizes[local.size].clinics),
  )
}

output "size" {
  value = local.size
}

output "region" {
  description = "In the cloud's own words."
  value       = jsondecode(file("${path.module}/regions.json"))[var.residency][var.cloud]
}

output "residency" {
  value = var.residency
}

output "names" {
  value = {
    cluster  = var.name
    database = "${var.name}-database"
    # Buckets share one name space with everybody: the domain makes it ours.
    bucket = substr("${var.name}-${replace(var.domain, ".", "-")}", 0, 63)
    secret = "${var.name}/platform"
  }
}

output "nodes" {
  value = { min = local.nodes, max = local.nodes * 2, cpus = 4, memory_gib = 16 }
}

output "databases" {
  description = "How many servers; the platform places clinics on them."
  value       = ceil(var.clinics / local.clinics_per_database)
}

output "database" {
  value = merge(local.sizes[local.size], {
    retention_days = coalesce(var.database_retention_days, min(14, local.clouds[var.cloud].retention_days))
    clinics        = local.clinics_per_database
    connections    = local.connections_kept_back + local.clinics_per_database * local.connections_per_clinic
  })
}

output "hosts" {
  value = { platform = "app.${var.domain}", clinics = "*.${var.domain}", domain = var.domain }
}

output "labels" {
  value = { product = "dentalpin", platform = var.name, residency = var.residency }
}
