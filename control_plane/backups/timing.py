"""When backups are due. Pure.

Nights are for backups: each tenant has a minute of its own between midnight and five in its clinic's time zone, so that a server's tenants
do not come all at once. More often than daily, the other times of the day follow from that minute.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

NIGHT: Final = timedelta(hours=5)
RETRY: Final = timedelta(hours=1)
"""How soon one that failed is tried again."""


def minute_of(tenant_id: UUID) -> timedelta:
    """The tenant's own moment after midnight, always the same."""
    number = int.from_bytes(hashlib.sha256(tenant_id.bytes).digest()[:4], "big")
    return timedelta(minutes=number % (NIGHT // timedelta(minutes=1)))


def next_due(tenant_id: UUID, zone: str, after: datetime, every_hours: int) -> datetime:
    """The first of the tenant's moments that lies after `after` (UTC)."""
    local = after.astimezone(ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    first = midnight + minute_of(tenant_id) % timedelta(hours=every_hours)
    for step in range(2 * 24 // every_hours + 2):
        # Counted on the clinic's clock: a night with 23 or 25 hours has its backup at the same minute.
        moment = (first + step * timedelta(hours=every_hours)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if moment > after:
            return moment
    raise AssertionError("a day has a moment for each backup")
