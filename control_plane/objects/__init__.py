"""Where large things are kept that are not rows: backups and exports. A folder on this machine, or an S3-compatible service."""

from control_plane.objects.errors import ObjectMissing, ObjectStoreRefused, ObjectStoreUnavailable
from control_plane.objects.store import ObjectStore, Stored, open_store

__all__ = ["ObjectMissing", "ObjectStore", "ObjectStoreRefused", "ObjectStoreUnavailable", "Stored", "open_store"]
