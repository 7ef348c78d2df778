"""Carriers of a revision: what every deployer promises is in base.py, one package per place where runtimes can live."""
