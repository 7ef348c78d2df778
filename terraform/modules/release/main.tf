# The platform on a cluster that is there: its namespace, its Secret, the release of its chart.

variable "namespace" {
  type    = string
  default = "dentalpin"
}

variable "chart" {
  type        = string
  description = "A folder, or the chart's address in a registry."
}

variable "chart_version" {
  type    = string
  default = null
}

variable "image" {
  type        = object({ repository = string, digest = string })
  description = "By digest: what runs is what was tested."
  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.image.digest))
    error_message = "A digest is sha256: and 64 hexadecimal digits."
  }
}

variable "hosts" {
  type = object({ platform = string, clinics = string, domain = string })
}

variable "residency" {
  type = string
}

variable "databases" {
  type        = list(string)
  sensitive   = true
  description = "Administrators' addresses; the first holds the platform's own database and the first clinics."
}

variable "clinics_per_database" {
  type    = number
  default = 300
}

variable "object_store" {
  type = object({ url = string, region = string, endpoint = string })
}

variable "object_store_key" {
  type      = object({ id = string, secret = string })
  default   = null
  sensitive = true
}

variable "secrets" {
  type        = map(string)
  sensitive   = true
  description = "What `python -m control_plane.access.new_secrets` printed, and DENTALPIN_SMTP_URL, STRIPE_…, METRICS_KEY as far as used."
  validation {
    condition     = alltrue([for name in ["DENTALPIN_SIGNING_KEY", "DENTALPIN_VAULT_KEYS", "DENTALPIN_OPERATOR_KEY"] : contains(keys(var.secrets), name)])
    error_message = "The platform needs DENTALPIN_SIGNING_KEY, DENTALPIN_VAULT_KEYS and DENTALPIN_OPERATOR_KEY: python -m control_plane.access.new_secrets makes them."
  }
}

variable "mail_from" {
  type = string
}

variable "values" {
  type        = any
  default     = {}
  description = "Further values of the chart."
}

locals {
  store_keys = var.object_store_key == null ? {} : {
    DENTALPIN_OBJECT_STORE_KEY_ID = var.object_store_key.id
    DENTALPIN_OBJECT_STORE_SECRET = var.object_store_key.secret
  }
  secret = merge(var.secrets, local.store_keys, {
    DATABASE_URL              = var.databases[0]
    TENANT_DATABASE_ADMIN_URL = var.databases[0]
  })
}

resource "kubernetes_namespace_v1" "this" {
  metadata {
    name = var.namespace
    labels = {
      "pod-security.kubernetes.io/enforce" = "restricted"
    }
  }
}

resource "kubernetes_secret_v1" "platform" {
  metadata {
    name      = "dentalpin-platform"
    namespace = kubernetes_namespace_v1.this.metadata[0].name
  }
  data = local.secret
}

resource "helm_release" "platform" {
  name      = "dentalpin"
  namespace = kubernetes_namespace_v1.this.metadata[0].name
  chart     = var.chart
  version   = var.chart_version
  atomic    = true
  # Longer than the migrations' own deadline (900 s), so that they say why they ended.
  timeout    = 1500
  depends_on = [kubernetes_secret_v1.platform]
  values = [
    yamlencode({
      image           = { repository = var.image.repository, digest = var.image.digest }
      secretName      = "dentalpin-platform"
      publicUrl       = "https://${var.hosts.platform}"
      mail            = { from = var.mail_from }
      objectStore     = var.object_store
      tenantDatabases = { region = var.residency, capacity = var.clinics_per_database }
      # The chart's account is called so in the cloud's own rights too.
      serviceAccount = { create = true, name = "dentalpin-platform" }
      # Another Secret makes other pods: they read it at their start only.
      podAnnotations = { "dentalpin.io/secret" = substr(nonsensitive(sha256(jsonencode(local.secret))), 0, 16) }
    }),
    yamlencode(var.values),
  ]
}

output "further_databases" {
  description = "To be registered with the platform: dentalpin-cloud database-servers … (docs/operations.md)."
  sensitive   = true
  value       = slice(var.databases, 1, length(var.databases))
}
