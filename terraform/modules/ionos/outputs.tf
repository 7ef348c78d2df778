output "cluster" {
  value = { id = ionoscloud_k8s_cluster.this.id, name = ionoscloud_k8s_cluster.this.name }
}

output "databases" {
  description = "Administrators' addresses; the first is the platform's too."
  sensitive   = true
  value = [
    for index, one in ionoscloud_pg_cluster.this :
    "postgresql://dentalpin:${random_password.database[index].result}@${one.dns_name}:5432/postgres?sslmode=require"
  ]
}

output "object_store" {
  value = { url = "s3://${ionoscloud_s3_bucket.objects.name}", region = "eu-central-3", endpoint = "https://s3.eu-central-3.ionoscloud.com" }
}

output "object_store_key" {
  sensitive = true
  value     = { id = ionoscloud_object_storage_accesskey.platform.accesskey, secret = ionoscloud_object_storage_accesskey.platform.secretkey }
}

output "storage" {
  value = { access_mode = "ReadWriteOnce", class = "ionos-enterprise-ssd" }
}

output "name_servers" {
  description = "Delegate the domain to these."
  value       = ionoscloud_dns_zone.this.nameservers
}
