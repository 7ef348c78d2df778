mock_provider "helm" {}
mock_provider "kubernetes" {}

variables {
  chart        = "../../../charts/control-plane"
  image        = { repository = "dentalpin/control-plane", digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
  hosts        = { platform = "app.clinics.example.org", clinics = "*.clinics.example.org", domain = "clinics.example.org" }
  residency    = "eu-central"
  databases    = ["postgresql://a@one/platform", "postgresql://a@two/platform"]
  object_store = { url = "s3://praxis", region = "eu-central-1", endpoint = "" }
  mail_from    = "DentalPin <no-reply@clinics.example.org>"
  secrets      = { DENTALPIN_SIGNING_KEY = "a", DENTALPIN_VAULT_KEYS = "b", DENTALPIN_OPERATOR_KEY = "c" }
}

run "secrets_are_in_the_secret_and_not_among_the_values" {
  command = plan
  assert {
    condition     = kubernetes_secret_v1.platform.data["DATABASE_URL"] == "postgresql://a@one/platform"
    error_message = "The platform's database is the first."
  }
  assert {
    condition     = !strcontains(join("", helm_release.platform.values), "postgresql://")
    error_message = "Values of a release can be read by whoever reads its records."
  }
}

run "a_bucket_with_a_key_adds_it" {
  command = plan
  variables {
    object_store_key = { id = "me", secret = "s3cret" }
  }
  assert {
    condition     = kubernetes_secret_v1.platform.data["DENTALPIN_OBJECT_STORE_KEY_ID"] == "me"
    error_message = "The key goes into the Secret."
  }
}

run "the_charts_values_say_where_it_answers_and_where_data_lies" {
  command = plan
  assert {
    condition     = yamldecode(helm_release.platform.values[0]).publicUrl == "https://app.clinics.example.org" && yamldecode(helm_release.platform.values[0]).tenantDatabases.region == "eu-central"
    error_message = "Address and region are handed on."
  }
}

run "a_platform_without_keys_is_refused" {
  command = plan
  variables {
    secrets = { DENTALPIN_SIGNING_KEY = "a" }
  }
  expect_failures = [var.secrets]
}

run "an_image_without_a_digest_is_refused" {
  command = plan
  variables {
    image = { repository = "dentalpin/control-plane", digest = "latest" }
  }
  expect_failures = [var.image]
}

run "another_secret_makes_other_pods" {
  command = plan
  variables {
    secrets = { DENTALPIN_SIGNING_KEY = "z", DENTALPIN_VAULT_KEYS = "b", DENTALPIN_OPERATOR_KEY = "c" }
  }
  assert {
    condition = yamldecode(helm_release.platform.values[0]).podAnnotations["dentalpin.io/secret"] == substr(sha256(jsonencode({
      DENTALPIN_SIGNING_KEY     = "z"
      DENTALPIN_VAULT_KEYS      = "b"
      DENTALPIN_OPERATOR_KEY    = "c"
      DATABASE_URL              = "postgresql://a@one/platform"
      TENANT_DATABASE_ADMIN_URL = "postgresql://a@one/platform"
    })), 0, 16)
    error_message = "Pods are replaced when what they read was changed."
  }
}
