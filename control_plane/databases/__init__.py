"""Servers that hold the tenants' databases: an interface, and a PostgreSQL server shared by many tenants."""

from control_plane.databases.base import DatabaseServer, Dump
from control_plane.databases.shared import SharedServer

__all__ = ["DatabaseServer", "Dump", "SharedServer"]
