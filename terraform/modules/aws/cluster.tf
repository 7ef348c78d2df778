resource "aws_kms_key" "this" {
  description             = "${var.plan.names.cluster}: secrets, databases and objects"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  tags                    = var.plan.labels
}

resource "aws_iam_role" "cluster" {
  name = "${var.plan.names.cluster}-cluster"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "eks.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
  tags = var.plan.labels
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "this" {
  name     = var.plan.names.cluster
  role_arn = aws_iam_role.cluster.arn
  version  = var.kubernetes_version
  # Who may do what is entries of the cluster, not a ConfigMap in it.
  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }
  vpc_config {
    subnet_ids              = aws_subnet.private[*].id
    endpoint_private_access = true
    endpoint_public_access  = true
    public_access_cidrs     = var.api_networks
  }
  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = aws_kms_key.this.arn
    }
  }
  enabled_cluster_log_types = ["api", "audit", "authenticator"]
  deletion_protection       = true
  tags                      = var.plan.labels
  depends_on                = [aws_iam_role_policy_attachment.cluster]
}

resource "aws_iam_role" "nodes" {
  name = "${var.plan.names.cluster}-nodes"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
  tags = var.plan.labels
}

resource "aws_iam_role_policy_attachment" "nodes" {
  for_each   = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"])
  role       = aws_iam_role.nodes.name
  policy_arn = "arn:aws:iam::aws:policy/${each.key}"
}

# The network plug-in is set up before there are nodes: with single addresses a node of this size would take 58 pods, whatever its memory.
# Policies of the network are kept by it only when it is told to.
resource "aws_eks_addon" "network" {
  cluster_name = aws_eks_cluster.this.name
  addon_name   = "vpc-cni"
  configuration_values = jsonencode({
    enableNetworkPolicy = "true"
    env                 = { ENABLE_PREFIX_DELEGATION = "true", WARM_PREFIX_TARGET = "1" }
  })
  tags = var.plan.labels
}

resource "aws_eks_node_group" "this" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "clinics"
  node_role_arn   = aws_iam_role.nodes.arn
  subnet_ids      = aws_subnet.private[*].id
  instance_types  = [var.plan.nodes.memory_gib >= 4 * var.plan.nodes.cpus ? "m7i.xlarge" : "c7i.xlarge"]
  disk_size       = 100
  scaling_config {
    min_size     = var.plan.nodes.min
    desired_size = var.plan.nodes.min
    max_size     = var.plan.nodes.max
  }
  update_config {
    max_unavailable = 1
  }
  lifecycle {
    # The autoscaler's business.
    ignore_changes = [scaling_config[0].desired_size]
  }
  tags       = var.plan.labels
  depends_on = [aws_iam_role_policy_attachment.nodes, aws_eks_addon.network]
}

# The agent by which pods become the role below, and the volumes of clinics.
resource "aws_eks_addon" "this" {
  for_each     = toset(["eks-pod-identity-agent", "aws-ebs-csi-driver", "coredns", "kube-proxy"])
  cluster_name = aws_eks_cluster.this.name
  addon_name   = each.key
  tags         = var.plan.labels
  depends_on   = [aws_eks_node_group.this]
}

locals {
  # Which account of the cluster may become which role.
  pods_become = {
    platform = { namespace = "dentalpin", account = "dentalpin-platform" }
    volumes  = { namespace = "kube-system", account = "ebs-csi-controller-sa" }
  }
}

resource "aws_iam_role" "pods" {
  for_each = local.pods_become
  name     = "${var.plan.names.cluster}-${each.key}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "pods.eks.amazonaws.com" }, Action = ["sts:AssumeRole", "sts:TagSession"] }]
  })
  tags = var.plan.labels
}

resource "aws_iam_role_policy_attachment" "volumes" {
  role       = aws_iam_role.pods["volumes"].name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_iam_role_policy" "platform" {
  name = "objects"
  role = aws_iam_role.pods["platform"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:ListBucket"], Resource = aws_s3_bucket.objects.arn },
      { Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], Resource = "${aws_s3_bucket.objects.arn}/*" },
      { Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = aws_kms_key.this.arn },
    ]
  })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = local.pods_become
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.pods[each.key].arn
  tags            = var.plan.labels
}
