"""Rotation: a new key seals from now on, every stored value is sealed again with it, and keys that open nothing any more are dropped.

Values are found by SEALED, a list that a test holds complete: whoever adds a column of sealed bytes adds it there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.models import Account, OidcSignIn
from control_plane.clusters.models import ClusterRow
from control_plane.databases.models import ServerRow
from control_plane.vault.models import TenantKey
from control_plane.vault.vault import Vault, key_name, place
from control_plane.webhooks.models import WebhookEndpoint

AGE: Final = timedelta(days=90)
"""A key seals this long before the platform makes a new one by itself."""
KEPT: Final = timedelta(days=400)
"""A key that opens nothing here is kept this long: backups of the platform's database are opened with it."""
_AT_ONCE: Final = 200

SEALED: Final[tuple[tuple[Table, str], ...]] = (
    (cast(Table, TenantKey.__table__), "sealed"),
    (cast(Table, Account.__table__), "sealed_second_factor"),
    (cast(Table, OidcSignIn.__table__), "sealed"),
    (cast(Table, WebhookEndpoint.__table__), "sealed_secret"),
    (cast(Table, WebhookEndpoint.__table__), "sealed_previous"),
    (cast(Table, ServerRow.__table__), "sealed_url"),
    (cast(Table, ClusterRow.__table__), "sealed_kubeconfig"),
)
"""(table, column) of every sealed value; the table has one primary key column."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: values sealed again, with which key, and the keys that were dropped."""

    key: str
    resealed: int
    dropped: tuple[str, ...]


async def rotate(session: AsyncSession, vault: Vault, *, at: datetime) -> Rotation:
    """Make a new key (where the ring is ours to write) and seal everything with it. The key is in the ring before any value needs it."""
    if not vault.ring.kept_elsewhere:
        vault.ring.add(at)
    return await reseal(session, vault, at=at)


async def reseal(session: AsyncSession, vault: Vault, *, at: datetime) -> Rotation:
    """Seal with the active key what is sealed with another; drop the keys that nothing needs. Repeatable."""
    active = vault.ring.active(at).name
    resealed = 0
    for table, column in SEALED:
        resealed += await _reseal_column(session, vault, table, column, active)
    over = frozenset(
        key.name for key in vault.ring.keys if key.name != active and key.made_at is not None and key.made_at < at - AGE - KEPT
    )
    vault.ring.drop(over)
    return Rotation(active, resealed, tuple(sorted(over)))


async def _reseal_column(session: AsyncSession, vault: Vault, table: Table, column: str, active: str) -> int:
    (key,) = table.primary_key.columns
    value = table.c[column]
    count, after = 0, None
    while True:
        rows: Any = select(key, value).where(value.is_not(None)).order_by(key).limit(_AT_ONCE).with_for_update()
        found = (await session.execute(rows.where(key > after) if after is not None else rows)).all()
        for row_key, sealed in found:
            if key_name(sealed) != active:
                where = place(table.name, column, row_key)
                await session.execute(update(table).where(key == row_key).values({column: vault.seal(vault.open(sealed, where), where)}))
                count += 1
        if len(found) < _AT_ONCE:
            return count
        after = found[-1][0]
