resource "ionoscloud_datacenter" "this" {
  name                = var.plan.names.cluster
  location            = var.plan.region
  description         = "DentalPin, residency ${var.plan.residency}"
  sec_auth_protection = true
}

resource "ionoscloud_lan" "databases" {
  datacenter_id = ionoscloud_datacenter.this.id
  name          = var.plan.names.database
  public        = false
}

resource "ionoscloud_k8s_cluster" "this" {
  name                  = var.plan.names.cluster
  k8s_version           = var.kubernetes_version
  api_subnet_allow_list = var.api_networks
  maintenance_window {
    day_of_the_week = "Sunday"
    time            = "02:30:00Z"
  }
}

resource "ionoscloud_k8s_node_pool" "this" {
  datacenter_id     = ionoscloud_datacenter.this.id
  k8s_cluster_id    = ionoscloud_k8s_cluster.this.id
  name              = "clinics"
  k8s_version       = ionoscloud_k8s_cluster.this.k8s_version
  availability_zone = "AUTO"
  cores_count       = var.plan.nodes.cpus
  ram_size          = var.plan.nodes.memory_gib * 1024
  storage_type      = "SSD"
  storage_size      = 100
  node_count        = var.plan.nodes.min
  auto_scaling {
    min_node_count = var.plan.nodes.min
    max_node_count = var.plan.nodes.max
  }
  lans {
    id   = tonumber(ionoscloud_lan.databases.id)
    dhcp = true
  }
  maintenance_window {
    day_of_the_week = "Sunday"
    time            = "03:30:00Z"
  }
  labels = var.plan.labels
  lifecycle {
    # The autoscaler's business.
    ignore_changes = [node_count]
  }
}

resource "random_password" "database" {
  count   = var.plan.databases
  length  = 40
  special = false
}

# Kept by the provider: a base backup a day and the log since, for seven days; `from_backup` with a moment takes one back there.
resource "ionoscloud_pg_cluster" "this" {
  count                = var.plan.databases
  display_name         = "${var.plan.names.database}-${count.index + 1}"
  postgres_version     = var.postgres_version
  location             = ionoscloud_datacenter.this.location
  backup_location      = "de"
  instances            = 2
  synchronization_mode = "SYNCHRONOUS"
  cores                = var.plan.database.database_cpus
  ram                  = var.plan.database.database_memory_gib * 1024
  storage_type         = "SSD"
  storage_size         = var.plan.database.database_storage_gib * 1024
  connections {
    datacenter_id = ionoscloud_datacenter.this.id
    lan_id        = ionoscloud_lan.databases.id
    cidr          = "${cidrhost(var.database_network, 10 + count.index)}/${split("/", var.database_network)[1]}"
  }
  credentials {
    username = "dentalpin"
    password = random_password.database[count.index].result
  }
  maintenance_window {
    day_of_the_week = "Sunday"
    time            = "04:30:00Z"
  }
  lifecycle {
    prevent_destroy = true
  }
}

resource "ionoscloud_s3_bucket" "objects" {
  name   = var.plan.names.bucket
  region = "eu-central-3"
  tags   = var.plan.labels
}

resource "ionoscloud_s3_bucket_versioning" "objects" {
  bucket = ionoscloud_s3_bucket.objects.name
  versioning_configuration {
    status = "Enabled"
  }
}

resource "ionoscloud_s3_bucket_server_side_encryption_configuration" "objects" {
  bucket = ionoscloud_s3_bucket.objects.name
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "ionoscloud_s3_bucket_public_access_block" "objects" {
  bucket                  = ionoscloud_s3_bucket.objects.name
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# What the platform deletes is gone for good a month later: time enough to notice a mistake, and an erasure keeps its promise.
resource "ionoscloud_s3_bucket_lifecycle_configuration" "objects" {
  bucket = ionoscloud_s3_bucket.objects.name
  rule {
    id     = "deleted"
    status = "Enabled"
    prefix = ""
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "ionoscloud_object_storage_accesskey" "platform" {
  description = "${var.plan.names.cluster}: the platform's objects"
}

resource "ionoscloud_dns_zone" "this" {
  name        = var.plan.hosts.domain
  description = "DentalPin ${var.plan.names.cluster}"
  enabled     = true
}

# Once the ingress controller has an address: apply again with it.
resource "ionoscloud_dns_record" "clinics" {
  for_each = var.ingress_address == "" ? toset([]) : toset(["*", "app"])
  zone_id  = ionoscloud_dns_zone.this.id
  name     = each.key
  type     = "A"
  content  = var.ingress_address
  ttl      = 300
}
