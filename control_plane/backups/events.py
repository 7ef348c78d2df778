"""What other systems may hear of backups, restores and copies."""

from typing import Final

from control_plane.webhooks.types import EventType

EVENTS: Final = (
    EventType("backup.made", "A tenant was backed up, and what was stored was read back.", ("backup", "cause")),
    EventType("backup.deleted", "A backup was kept for as long as it had to be.", ("backup", "reason")),
    EventType("backup.check_failed", "A stored backup cannot be restored.", ("backup", "reason")),
    EventType("tenant.restored", "A tenant's data was replaced by a backup's.", ("backup",)),
    EventType("tenant.copied", "A copy of a tenant that can send nothing is being set up.", ("backup", "copy")),
    EventType("tenant.upgrade_taken_back", "An upgrade failed; the tenant is back on its release, with its data.", ("release",)),
)
