mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
}
mock_provider "random" {}

variables {
  api_networks = ["192.0.2.0/24"]
  plan = {
    region    = "eu-central-1"
    residency = "eu-central"
    names     = { cluster = "praxis", database = "praxis-database", bucket = "praxis-clinics-example-org", secret = "praxis/platform" }
    nodes     = { min = 2, max = 4, cpus = 4, memory_gib = 16 }
    databases = 2
    database  = { database_cpus = 2, database_memory_gib = 8, database_storage_gib = 100, retention_days = 14, clinics = 75, connections = 950 }
    hosts     = { platform = "app.clinics.example.org", clinics = "*.clinics.example.org", domain = "clinics.example.org" }
    labels    = { product = "dentalpin", platform = "praxis", residency = "eu-central" }
  }
}

run "databases_are_encrypted_private_and_go_back_to_any_moment" {
  command = plan
  assert {
    condition     = length(aws_db_instance.this) == 2 && alltrue([for one in aws_db_instance.this : one.storage_encrypted && !one.publicly_accessible && one.multi_az && one.deletion_protection && one.backup_retention_period == 14])
    error_message = "Each server: encrypted, private, in two zones, protected, 14 days of point-in-time recovery."
  }
}

run "objects_are_versioned_encrypted_and_nobodys_else" {
  command = plan
  assert {
    condition     = aws_s3_bucket_versioning.objects.versioning_configuration[0].status == "Enabled"
    error_message = "Versions are kept."
  }
  assert {
    condition     = aws_s3_bucket_server_side_encryption_configuration.objects.rule[0].apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
    error_message = "Encrypted with the platform's own key."
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.objects.restrict_public_buckets && aws_s3_bucket_public_access_block.objects.block_public_acls
    error_message = "Public access is blocked."
  }
}

run "the_clusters_api_is_not_the_internets" {
  command = plan
  assert {
    condition     = contains(aws_eks_cluster.this.vpc_config[0].public_access_cidrs, "192.0.2.0/24")
    error_message = "Only the networks named."
  }
}

run "the_whole_internet_is_refused" {
  command = plan
  variables {
    api_networks = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_networks]
}

run "a_server_newer_than_our_client_programs_is_refused" {
  command = plan
  variables {
    postgres_version = "18"
  }
  expect_failures = [var.postgres_version]
}

run "a_node_takes_as_many_pods_as_its_memory_and_policies_are_kept" {
  command = plan
  assert {
    condition     = jsondecode(aws_eks_addon.network.configuration_values).env.ENABLE_PREFIX_DELEGATION == "true" && jsondecode(aws_eks_addon.network.configuration_values).enableNetworkPolicy == "true"
    error_message = "Prefixes, and policies of the network."
  }
  assert {
    condition     = anytrue([for one in aws_db_parameter_group.this.parameter : one.name == "max_connections" && one.value == "950"])
    error_message = "As many connections as the plan says."
  }
}
