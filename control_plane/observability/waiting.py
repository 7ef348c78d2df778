"""What a scrape reads of campaigns, webhooks, mails and the law: how many stand where, and how long the oldest has waited."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.campaigns.models import Campaign, Member
from control_plane.campaigns.states import CAMPAIGN
from control_plane.mail.models import OutgoingMail
from control_plane.mail.states import MailState
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint
from control_plane.webhooks.states import DeliveryState
from dentalpin_kit.metrics import Reading

_UNKNOWN: Final = "unknown"


async def readings(session: AsyncSession, *, at: datetime) -> list[Reading]:
    prefix = "dentalpin_platform"
    of_open = select(Campaign.id).where(Campaign.state.not_in(CAMPAIGN.final))
    problem = func.coalesce(Tenant.law_problem_code, _UNKNOWN)
    unlawful = (
        select(problem, func.count())
        .where(Tenant.law_problem.is_not(None), Tenant.state != TenantState.DELETED)
        .group_by(problem)
        .order_by(problem)
    )
    waiting = select(func.min(OutgoingMail.due_at)).where(OutgoingMail.state == MailState.WAITING)
    pending = select(func.min(WebhookDelivery.created_at)).where(WebhookDelivery.state == DeliveryState.PENDING)
    return [
        await _counted(session, f"{prefix}_campaigns", "Campaigns by state.", "state", _by(Campaign.state)),
        await _counted(
            session,
            f"{prefix}_campaign_members",
            "Members of campaigns that are not over, by state.",
            "state",
            _by(Member.state).where(Member.campaign_id.in_(of_open)),
        ),
        await _counted(session, f"{prefix}_webhooks", "Webhooks by state.", "state", _by(WebhookEndpoint.state)),
        await _counted(
            session,
            f"{prefix}_webhook_deliveries",
            "Events on their way to webhooks, by state; those that came to an end are kept for thirty days.",
            "state",
            _by(WebhookDelivery.state),
        ),
        await _age(session, f"{prefix}_webhook_oldest_seconds", "Age of the event that has waited longest for its webhook.", pending, at),
        await _counted(
            session, f"{prefix}_mails", "Mails by state; those sent or given up are kept for half a year.", "state", _by(OutgoingMail.state)
        ),
        await _age(session, f"{prefix}_mail_late_seconds", "How long the mail that is due has waited to be sent.", waiting, at),
        await _counted(
            session,
            f"{prefix}_law_attention",
            "Tenants for which the law of today waits for a person, by what it is about.",
            "code",
            cast(Select[Any], unlawful),
        ),
    ]


def _by(column: Any) -> Select[Any]:
    return select(column, func.count()).group_by(column).order_by(column)


async def _counted(session: AsyncSession, name: str, about: str, label: str, query: Select[Any]) -> Reading:
    rows: Sequence[Any] = (await session.execute(query)).all()
    return Reading(name, about, (label,), tuple(((str(value),), float(count)) for value, count in rows))


async def _age(session: AsyncSession, name: str, about: str, oldest: Select[Any], at: datetime) -> Reading:
    since = await session.scalar(oldest)
    return Reading(name, about, (), (((), max(0.0, (at - since).total_seconds()) if since is not None else 0.0),))
