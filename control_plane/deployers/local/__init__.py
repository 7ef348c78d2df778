"""Tenants as processes on this machine.

The worker calls `deployer.LocalDeployer`, which writes a tenant's folder and tells the *supervisor*, a process of its own, what should
run. The supervisor owns every tenant's listening socket and hands it to the tenant's process; the processes die with it.
"""
