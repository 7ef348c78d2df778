"""Mails to the operators when a campaign needs them. None where the settings have no address: the API and metrics say the same."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.campaigns.models import Campaign, Wave
from control_plane.mail import outbox
from control_plane.platform import Platform


async def halted(session: AsyncSession, platform: Platform, campaign: Campaign, why: str, *, at: datetime) -> None:
    if (to := platform.settings.operators_mail) is None:
        return
    await outbox.send(
        session,
        key=f"campaign-{campaign.id}-halted-{at.isoformat()}",
        to=to,
        template="campaign_halted",
        locale=platform.settings.operators_locale,
        at=at,
        name=campaign.name,
        campaign=str(campaign.id),
        reason=why,
    )


async def approval_needed(session: AsyncSession, platform: Platform, campaign: Campaign, wave: Wave, *, at: datetime) -> None:
    if (to := platform.settings.operators_mail) is None:
        return
    await outbox.send(
        session,
        key=f"campaign-{campaign.id}-approval-{wave.position}",
        to=to,
        template="campaign_approval",
        locale=platform.settings.operators_locale,
        at=at,
        name=campaign.name,
        campaign=str(campaign.id),
        wave=wave.name,
        position=wave.position,
        members=wave.size,
    )


async def over(session: AsyncSession, platform: Platform, campaign: Campaign, *, at: datetime) -> None:
    if (to := platform.settings.operators_mail) is None:
        return
    await outbox.send(
        session,
        key=f"campaign-{campaign.id}-over",
        to=to,
        template="campaign_over",
        locale=platform.settings.operators_locale,
        at=at,
        name=campaign.name,
        campaign=str(campaign.id),
        completed=campaign.state.value == "completed",
    )
