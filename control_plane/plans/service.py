"""Tariffs as rows: the product's own, and those the operators published over it."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER, Actor
from control_plane.audit import service as audit
from control_plane.plans.errors import TariffTaken, UnknownTariff
from control_plane.plans.models import TariffRow
from control_plane.plans.tariff import Tariff, official_tariff


async def current(session: AsyncSession, on: date) -> Tariff:
    """What is sold on a day: of the tariffs the operators published the newest that is valid then; before any of them the product's own.

    A newer version of the product never sells by its own prices where operators once gave theirs.
    """
    published = select(TariffRow).where(TariffRow.valid_from <= on, TariffRow.created_by != WORKER.label)
    row = await session.scalar(published.order_by(TariffRow.valid_from.desc(), TariffRow.id.desc()).limit(1))
    if row is not None:
        return read(row)
    own = official_tariff()
    await _keep(session, own, by=WORKER, at=None)
    return own


async def get(session: AsyncSession, tariff_id: str) -> Tariff:
    """Raises UnknownTariff."""
    row = await session.get(TariffRow, tariff_id)
    if row is not None:
        return read(row)
    if official_tariff().id == tariff_id:
        return official_tariff()
    raise UnknownTariff(tariff_id)


async def listed(session: AsyncSession) -> list[TariffRow]:
    """Newest first, the product's own included."""
    await _keep(session, official_tariff(), by=WORKER, at=None)
    return list(await session.scalars(select(TariffRow).order_by(TariffRow.valid_from.desc(), TariffRow.id.desc())))


async def publish(session: AsyncSession, tariff: Tariff, *, actor: Actor, at: datetime) -> TariffRow:
    """Sell by it from its day on. The same one again changes nothing. Raises TariffTaken where its id is another's."""
    own = official_tariff()
    if tariff.id == own.id:
        await _keep(session, own, by=WORKER, at=None)
    known = await session.get(TariffRow, tariff.id)
    row = known or await _keep(session, tariff, by=actor, at=at)
    if row.digest != tariff.digest:
        # Also where somebody else was quicker with the same id.
        raise TariffTaken(tariff.id)
    if known is None:
        audit.record(session, actor, "tariff.published", at=at, tariff=tariff.id, digest=tariff.digest, valid_from=str(tariff.valid_from))
    return row


def read(row: TariffRow) -> Tariff:
    return Tariff.model_validate(row.document)


async def _keep(session: AsyncSession, tariff: Tariff, *, by: Actor, at: datetime | None) -> TariffRow:
    values = {
        "id": tariff.id,
        "digest": tariff.digest,
        "valid_from": tariff.valid_from,
        "document": tariff.model_dump(mode="json"),
        # The product's own is as old as its first day.
        "created_at": at or datetime.fromisoformat(f"{tariff.valid_from.isoformat()}T00:00:00+00:00"),
        "created_by": by.label,
    }
    await session.execute(insert(TariffRow).values(**values).on_conflict_do_nothing())
    return await session.get_one(TariffRow, tariff.id)
