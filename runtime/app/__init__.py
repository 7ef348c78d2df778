"""The clinic runtime: one process per tenant, made of the core and the modules it was asked to install."""
