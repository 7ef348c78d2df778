"""The deployer for Kubernetes: a namespace per clinic, rendered from its revision and applied under one field manager.

facts      what manifests are rendered from (values)
sizes      what a plan's limits come to in CPU, memory and pods
rendering  facts → manifests (pure); `templates/` holds them, golden files show them
rollout    objects → how far a roll-out is, and why it does not get further (pure)
api        the few calls of the Kubernetes API that are used, with its refusals as reasons
watching   a mirror of what the cluster says of all clinics: watches, with a full list now and then
deployer   the deployer's interface over these
"""
