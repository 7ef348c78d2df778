"""What other systems may hear of clinics that leave."""

from typing import Final

from control_plane.webhooks.types import EventType

EVENTS: Final = (
    EventType("export.made", "An export of a tenant can be downloaded.", ("export", "kind", "sha256")),
    EventType("export.downloaded", "An export was handed over to its end.", ("export",)),
    EventType("export.removed", "An export is gone.", ("export", "kind")),
    EventType("tenant.delete_undone", "A deletion was undone in time."),
    EventType("tenant.delete_begun", "The time to undo a deletion is over."),
    EventType("tenant.final_dump_deleted", "A deleted tenant's last copy was kept for as long as the law asks, and is gone."),
    EventType("erasure.requested", "What is kept of a deleted tenant is to be erased.", ("erasure",)),
    EventType("erasure.finished", "A tenant was erased; its receipts say what became of it in each system.", ("erasure", "kept")),
)
