mock_provider "ionoscloud" {
  mock_resource "ionoscloud_lan" {
    defaults = { id = "2" }
  }
}
mock_provider "random" {}

variables {
  api_networks = ["192.0.2.0/24"]
  plan = {
    region    = "de/fra"
    residency = "eu-central"
    names     = { cluster = "praxis", database = "praxis-database", bucket = "praxis-clinics-example-org", secret = "praxis/platform" }
    nodes     = { min = 2, max = 4, cpus = 4, memory_gib = 16 }
    databases = 2
    database  = { database_cpus = 2, database_memory_gib = 8, database_storage_gib = 100, retention_days = 7, clinics = 75, connections = 950 }
    hosts     = { platform = "app.clinics.example.org", clinics = "*.clinics.example.org", domain = "clinics.example.org" }
    labels    = { product = "dentalpin", platform = "praxis", residency = "eu-central" }
  }
}

run "databases_have_a_second_machine_and_no_public_address" {
  command = plan
  assert {
    condition     = length(ionoscloud_pg_cluster.this) == 2 && alltrue([for one in ionoscloud_pg_cluster.this : one.instances == 2 && one.synchronization_mode == "SYNCHRONOUS"])
    error_message = "What was confirmed is on two machines."
  }
  assert {
    condition     = ionoscloud_pg_cluster.this[1].connections[0].cidr == "192.168.59.11/24" && ionoscloud_lan.databases.public == false
    error_message = "Each has an address of its own in the private network."
  }
}

run "objects_are_versioned_encrypted_and_nobodys_else" {
  command = plan
  assert {
    condition     = ionoscloud_s3_bucket_versioning.objects.versioning_configuration[0].status == "Enabled"
    error_message = "Versions are kept."
  }
  assert {
    condition     = ionoscloud_s3_bucket_server_side_encryption_configuration.objects.rule[0].apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "Encrypted."
  }
  assert {
    condition     = ionoscloud_s3_bucket_public_access_block.objects.restrict_public_buckets
    error_message = "Public access is blocked."
  }
}

run "what_was_deleted_does_not_stay_as_an_old_version" {
  command = plan
  assert {
    condition     = ionoscloud_s3_bucket_lifecycle_configuration.objects.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30
    error_message = "An erasure keeps its promise."
  }
}

run "everything_lies_in_one_place" {
  command = plan
  assert {
    condition     = ionoscloud_datacenter.this.location == "de/fra" && alltrue([for one in ionoscloud_pg_cluster.this : one.location == "de/fra"])
    error_message = "Frankfurt."
  }
}

run "names_lead_somewhere_only_once_there_is_an_address" {
  command = plan
  assert {
    condition     = length(ionoscloud_dns_record.clinics) == 0
    error_message = "Without an address there is no record."
  }
}

run "then_the_platform_and_all_clinics_are_found" {
  command = plan
  variables {
    ingress_address = "192.0.2.10"
  }
  assert {
    condition     = length(ionoscloud_dns_record.clinics) == 2
    error_message = "app and *."
  }
}

run "the_whole_internet_is_refused" {
  command = plan
  variables {
    api_networks = ["0.0.0.0/0"]
  }
  expect_failures = [var.api_networks]
}

run "a_network_the_cloud_keeps_for_itself_is_refused" {
  command = plan
  variables {
    database_network = "10.216.4.0/24"
  }
  expect_failures = [var.database_network]
}
