output "cluster" {
  value = {
    name     = aws_eks_cluster.this.name
    endpoint = aws_eks_cluster.this.endpoint
    ca       = aws_eks_cluster.this.certificate_authority[0].data
  }
}

output "databases" {
  description = "Administrators' addresses; the first is the platform's too."
  sensitive   = true
  value = [
    for index, one in aws_db_instance.this :
    "postgresql://dentalpin:${random_password.database[index].result}@${one.address}:${one.port}/platform?sslmode=require"
  ]
}

output "object_store" {
  description = "Pods reach it as their role: no key."
  value       = { url = "s3://${aws_s3_bucket.objects.bucket}", region = var.plan.region, endpoint = "" }
}

output "object_store_key" {
  sensitive = true
  value     = null
}

output "storage" {
  value = { access_mode = "ReadWriteOnce", class = "gp3" }
}

output "name_servers" {
  description = "Delegate the domain to these."
  value       = aws_route53_zone.this.name_servers
}
