"""Where a reseller's post goes, and in which language: its invoices, its statements, and what becomes of the clinics it pays for."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.access.models import Account, Reseller
from control_plane.access.scopes import Role
from control_plane.audit import service as audit
from control_plane.resellers.errors import ResellerUnreachable
from control_plane.resellers.models import Brand
from control_plane.resellers.schemas import Correspondence


def set_correspondence(session: AsyncSession, reseller: Reseller, wanted: Correspondence, *, actor: Actor, at: datetime) -> None:
    reseller.billing_email = str(wanted.billing_email) if wanted.billing_email else None
    reseller.language = wanted.language
    said = {"billing_email": reseller.billing_email, "language": reseller.language}
    audit.record(session, actor, "reseller.correspondence_set", at=at, reseller=str(reseller.id), correspondence=said)


async def billing_address(session: AsyncSession, reseller: Reseller) -> str:
    """Where its invoices go: the address it gave, else its first administrator's, else the one its clinics write to.

    Never a clinic's: what the reseller is charged is none of the clinic's business. Raises ResellerUnreachable.
    """
    if reseller.billing_email:
        return reseller.billing_email
    administrators = await administrators_of(session, reseller)
    if administrators:
        return administrators[0]
    brand = await session.get(Brand, reseller.id)
    if brand is not None and brand.support_email:
        return brand.support_email
    raise ResellerUnreachable(reseller.name)


async def administrators_of(session: AsyncSession, reseller: Reseller, *, at_most: int = 20) -> list[str]:
    """The addresses of those who run its affairs, the first hired first."""
    mine = select(Account.email).where(Account.reseller_id == reseller.id, Account.role == Role.ADMIN, Account.disabled_at.is_(None))
    return list(await session.scalars(mine.order_by(Account.created_at, Account.email).limit(at_most)))
