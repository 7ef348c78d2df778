variables {
  name      = "praxis"
  cloud     = "aws"
  residency = "eu-central"
  domain    = "clinics.example.org"
}

run "a_small_platform" {
  command = plan
  assert {
    condition     = output.region == "eu-central-1" && output.size == "small" && output.databases == 1
    error_message = "50 clinics in eu-central are a small platform in Frankfurt."
  }
  assert {
    condition     = output.nodes.min == 2 && output.nodes.max == 4
    error_message = "Fewer than two nodes survive no failure."
  }
  assert {
    condition     = output.names.bucket == "praxis-clinics-example-org"
    error_message = "The bucket is named after platform and domain."
  }
}

run "a_large_one_needs_more_servers" {
  command = plan
  variables {
    clinics = 1000
  }
  assert {
    condition     = output.size == "large" && output.databases == 4 && output.nodes.min == 17
    error_message = "1000 clinics: 4 database servers of 300, 17 nodes of 60."
  }
}

run "a_server_has_connections_for_its_clinics" {
  command = plan
  variables {
    clinics = 1000
  }
  assert {
    condition     = output.database.connections == 3650 && output.database.clinics == 300
    error_message = "12 for each clinic, and some for administration."
  }
}

run "where_connections_are_the_clouds_to_say_there_are_more_servers" {
  command = plan
  variables {
    cloud   = "ionos"
    clinics = 1000
  }
  assert {
    condition     = output.size == "medium" && output.database.clinics == 79 && output.databases == 13 && output.database.connections <= 1000
    error_message = "IONOS gives a server 1000 connections at most: 79 clinics."
  }
}

run "a_small_server_of_ionos_too" {
  command = plan
  variables {
    cloud = "ionos"
  }
  assert {
    condition     = output.database.clinics == 70 && output.databases == 1 && output.database.retention_days == 7
    error_message = "8 GiB: 896 connections; and IONOS goes back seven days."
  }
}

run "further_back_than_a_cloud_goes_is_refused" {
  command = plan
  variables {
    cloud                   = "ionos"
    database_retention_days = 14
  }
  expect_failures = [var.database_retention_days]
}

run "a_long_domain_still_makes_a_bucket" {
  command = plan
  variables {
    domain = "a-very-long-name-of-a-clinic-group-somewhere-in-the-country.example.org"
  }
  assert {
    condition     = length(output.names.bucket) <= 63
    error_message = "A bucket's name has 63 characters at most."
  }
}

run "french_health_data_lies_where_hosts_are_certified" {
  command = plan
  variables {
    residency = "eu-west-fr-hds"
  }
  assert {
    condition     = output.region == "eu-west-3"
    error_message = "HDS: Paris."
  }
}

run "a_cloud_without_a_region_for_the_law_is_refused" {
  command = plan
  variables {
    cloud     = "ionos"
    residency = "eu-west-fr-hds"
  }
  expect_failures = [var.residency]
}

run "residency_in_nobodys_words_is_refused" {
  command = plan
  variables {
    residency = "frankfurt"
  }
  expect_failures = [var.residency]
}

run "names_are_held_to_what_all_clouds_take" {
  command = plan
  variables {
    name = "Praxis_1"
  }
  expect_failures = [var.name]
}

run "more_than_a_cluster_takes_is_refused" {
  command = plan
  variables {
    clinics = 3001
  }
  expect_failures = [var.clinics]
}

run "a_day_of_backups_is_too_few" {
  command = plan
  variables {
    database_retention_days = 1
  }
  expect_failures = [var.database_retention_days]
}
