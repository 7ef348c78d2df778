"""The platform: tenants, releases, compliance, revisions and the worker that carries them out."""
