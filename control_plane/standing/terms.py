"""What a revision says of plan and payments: limits, mode, and what the clinic's people are told. Every revision of a tenant says it."""

from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.billing.ladder import Rung
from control_plane.billing.models import Agreement
from control_plane.plans import service as plans
from control_plane.platform import Platform
from control_plane.revisions.document import ClinicPart, PaymentsPart, RevisionContent
from control_plane.standing.models import PaymentStanding

Mode = Literal["normal", "read_only", "export_only"]
MODES: Final[dict[Rung, Mode]] = {
    Rung.NONE: "normal",
    Rung.BANNER: "normal",
    Rung.NO_NEW_MODULES: "normal",
    Rung.READ_ONLY: "read_only",
    Rung.EXPORT_ONLY: "export_only",
    # While it is being archived, and should it ever be started by hand.
    Rung.ARCHIVED: "export_only",
}


@dataclass(frozen=True)
class Terms:
    limits: dict[str, Any]
    mode: Mode
    payments: PaymentsPart | None

    def applied(self, content: RevisionContent) -> RevisionContent:
        """The revision with these terms."""
        return content.model_copy(update={"limits": self.limits, "mode": self.mode, "payments": self.payments})


def pay_at(platform: Platform) -> str:
    """Where owners settle what is owed."""
    return f"{platform.settings.public_url.rstrip('/')}/account"


async def terms_of(session: AsyncSession, platform: Platform, tenant_id: UUID, clinic: ClinicPart) -> Terms:
    """As they are now. A tenant nobody pays for has no limits."""
    row = await session.get(PaymentStanding, tenant_id)
    state = row.state if row is not None else Rung.NONE
    payments = payments_part(row, pay_at(platform), clinic.timezone) if row is not None else None
    return Terms(await limits_of(session, tenant_id, clinic.locale), MODES[state], payments)


async def limits_of(session: AsyncSession, tenant_id: UUID, locale: str) -> dict[str, Any]:
    """What the agreed plan has room for, with its name in the clinic's language; empty without an agreement."""
    agreement = await session.get(Agreement, tenant_id)
    if agreement is None:
        return {}
    plan = (await plans.get(session, agreement.tariff)).plan(agreement.plan)
    return {"plan": plan.title.to(locale), **plan.limits.model_dump(exclude_none=True)}


def payments_part(row: PaymentStanding, address: str, timezone: str) -> PaymentsPart | None:
    """What people are told; the next rung only once its owner was told of it. None while payments are in order."""
    if row.state is Rung.NONE or row.why is None:
        return None
    state = Rung.EXPORT_ONLY if row.state is Rung.ARCHIVED else row.state
    coming = row.announced is not None and row.next_at is not None
    on = row.next_at.astimezone(ZoneInfo(timezone)).date() if coming and row.next_at else None
    return PaymentsPart.model_validate(
        {"state": state.value, "why": row.why.value, "next": row.announced.value if coming and row.announced else None, "next_on": on}
        | {"pay_at": address}
    )
