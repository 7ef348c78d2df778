"""Clusters that carry clinics, where the platform deploys on Kubernetes: rows with a region and a capacity, kubeconfigs sealed.

placing    which cluster takes a tenant (pure)
clusters   the deployer's handles: of a tenant, placing it with the first question
"""
