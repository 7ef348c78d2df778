"""Events of a provider: each is stored once, and says only that there is something to read. Duplicates, order and delay mean nothing."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.billing.models import Agreement, PaymentEvent
from control_plane.billing.states import ProviderName
from control_plane.payments.values import Happening


async def known(session: AsyncSession, name: ProviderName, happening: Happening) -> bool:
    return await session.get(PaymentEvent, (name, happening.id)) is not None


async def receive(session: AsyncSession, name: ProviderName, happening: Happening, *, at: datetime) -> bool:
    """Store an event and have whoever it is about read soon. False where it was stored before."""
    objects = happening.objects
    concerned = await _concerned(session, name, objects.get("subscription"), objects.get("customer"))
    row = PaymentEvent.__table__
    added = insert(PaymentEvent).values(
        provider=name,
        id=happening.id,
        kind=happening.kind[:120],
        objects=dict(objects),
        tenant_id=concerned[0].tenant_id if len(concerned) == 1 else None,
        happened_at=happening.created,
        received_at=at,
    )
    if await session.scalar(added.on_conflict_do_nothing().returning(row.c.id)) is None:
        return False
    ids = sorted(one.tenant_id for one in concerned)
    # By the primary key, in one order: two events of one customer never wait for each other in a circle.
    for tenant_id in ids:
        await session.execute(update(Agreement).where(Agreement.tenant_id == tenant_id).values(look_at=at))
    return True


async def _concerned(session: AsyncSession, name: ProviderName, subscription: str | None, customer: str | None) -> list[Agreement]:
    """The agreement of the subscription where it names one of ours, else all that the customer pays for."""
    if subscription is not None:
        query = select(Agreement).where(Agreement.provider == name, Agreement.subscription == subscription)
        if found := list(await session.scalars(query)):
            return found
    if customer is None:
        return []
    return list(await session.scalars(select(Agreement).where(Agreement.provider == name, Agreement.customer == customer)))
