resource "aws_security_group" "database" {
  name        = var.plan.names.database
  description = "Reached from the cluster's nodes only"
  vpc_id      = aws_vpc.this.id
  tags        = var.plan.labels
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_subnet_group" "this" {
  name       = var.plan.names.database
  subnet_ids = aws_subnet.private[*].id
  tags       = var.plan.labels
}

resource "aws_db_parameter_group" "this" {
  name   = "${var.plan.names.database}-${var.postgres_version}"
  family = "postgres${var.postgres_version}"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  # Each clinic awake takes up to 12 connections.
  parameter {
    name         = "max_connections"
    value        = tostring(var.plan.database.connections)
    apply_method = "pending-reboot"
  }
  tags = var.plan.labels
}

resource "random_password" "database" {
  count   = var.plan.databases
  length  = 40
  special = false
}

locals {
  # By memory: 2 CPUs and 8 GiB are a large, and so on.
  database_class = {
    8  = "db.m7g.large"
    16 = "db.m7g.xlarge"
    32 = "db.m7g.2xlarge"
  }[var.plan.database.database_memory_gib]
}

# The first holds the platform's own database too.
resource "aws_db_instance" "this" {
  count                               = var.plan.databases
  identifier                          = "${var.plan.names.database}-${count.index + 1}"
  engine                              = "postgres"
  engine_version                      = var.postgres_version
  instance_class                      = local.database_class
  allocated_storage                   = var.plan.database.database_storage_gib
  max_allocated_storage               = var.plan.database.database_storage_gib * 3
  storage_type                        = "gp3"
  storage_encrypted                   = true
  kms_key_id                          = aws_kms_key.this.arn
  multi_az                            = true
  db_name                             = "platform"
  username                            = "dentalpin"
  password                            = random_password.database[count.index].result
  db_subnet_group_name                = aws_db_subnet_group.this.name
  parameter_group_name                = aws_db_parameter_group.this.name
  vpc_security_group_ids              = [aws_security_group.database.id]
  publicly_accessible                 = false
  backup_retention_period             = var.plan.database.retention_days
  backup_window                       = "01:00-02:00"
  maintenance_window                  = "sun:02:30-sun:03:30"
  copy_tags_to_snapshot               = true
  auto_minor_version_upgrade          = true
  deletion_protection                 = true
  skip_final_snapshot                 = false
  final_snapshot_identifier           = "${var.plan.names.database}-${count.index + 1}-last"
  performance_insights_enabled        = true
  iam_database_authentication_enabled = false
  tags                                = var.plan.labels
}

resource "aws_s3_bucket" "objects" {
  bucket = var.plan.names.bucket
  tags   = var.plan.labels
}

resource "aws_s3_bucket_versioning" "objects" {
  bucket = aws_s3_bucket.objects.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "objects" {
  bucket                  = aws_s3_bucket.objects.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# What the platform deletes is gone for good a month later: time enough to notice a mistake, and an erasure keeps its promise.
resource "aws_s3_bucket_lifecycle_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id
  rule {
    id     = "deleted"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_secretsmanager_secret" "platform" {
  name                    = var.plan.names.secret
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
  tags                    = var.plan.labels
}

resource "aws_secretsmanager_secret_version" "platform" {
  secret_id = aws_secretsmanager_secret.platform.id
  secret_string = jsonencode({
    for index, one in aws_db_instance.this : one.identifier => "postgresql://dentalpin:${random_password.database[index].result}@${one.address}:${one.port}/platform?sslmode=require"
  })
}

resource "aws_route53_zone" "this" {
  name = var.plan.hosts.domain
  tags = var.plan.labels
}
