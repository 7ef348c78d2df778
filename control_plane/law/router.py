"""/v1/tenants/{slug}/facts and /compliance: facts over time and the law made of them; /v1/law: what waits for a person, editions."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.requires import Guards
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.compliance.router import AcceptLanguage, parse_date
from control_plane.languages import preferred
from control_plane.law import editions, service
from control_plane.law.judging import law_for, today_of
from control_plane.law.models import Edition, StatementRow
from control_plane.law.schemas import (
    AttentionList,
    AttentionOut,
    EditionList,
    EditionOut,
    EffectOut,
    FactsOut,
    NewEdition,
    NewFacts,
    Publication,
    StatementList,
    StatementOut,
    TenantLawOut,
)
from control_plane.law.statements import history_of
from control_plane.law.states import EditionState
from control_plane.pagination import WantedPage, page
from control_plane.tenants.models import Tenant
from control_plane.tenants.router import KnownTenant, LockedTenant, answered
from control_plane.tenants.schemas import StartedOut
from control_plane.tenants.service import Started, refuse_going
from control_plane.tenants.states import TenantState

tenants = APIRouter(prefix="/tenants", tags=["compliance"], route_class=PlatformRoute, dependencies=[Guards("compliance")])
router = APIRouter(prefix="/law", tags=["compliance"], route_class=PlatformRoute, dependencies=[Guards("compliance")])

Day = Annotated[str | None, Query(description="YYYY-MM-DD; today at the clinic when left out")]
Moment = Annotated[datetime | None, Query(description="By what was known then (RFC 3339); now when left out")]


def _day(value: str | None) -> date | None:
    return None if value is None else parse_date(value)


def _moment(value: datetime | None) -> datetime | None:
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


@tenants.get("/{slug}/facts")
async def get_facts(tenant: KnownTenant, session: Session, platform: ThisPlatform, on: Day = None, known_at: Moment = None) -> FactsOut:
    """What the legal entity and its clinics stated, for a day and by what was known at a moment."""
    day = _day(on) or today_of(platform, tenant, await law_for(session, platform, tenant))
    known = _moment(known_at)
    history = await history_of(session, tenant, known_at=known)
    return FactsOut.of(history.on(day), valid_on=day, known_at=known or platform.clock.now())


@tenants.get("/{slug}/facts/history")
async def list_statements(tenant: KnownTenant, session: Session, wanted: WantedPage) -> StatementList:
    """Every statement ever made, corrected ones included, the last one first."""
    query = select(StatementRow).where(StatementRow.tenant_id == tenant.id)
    found = await page(session, query, StatementRow.number, wanted=wanted, descending=True)
    return StatementList(items=[StatementOut.of(row) for row in found.items], next=found.next)


@tenants.post("/{slug}/facts", status_code=202)
async def state_facts(
    new: NewFacts, tenant: LockedTenant, session: Session, actor: CurrentActor, platform: ThisPlatform, response: Response
) -> StartedOut:
    """State facts from a day on, or correct what was stated. The law of today is applied at once; 200 where nothing had to be done."""
    refuse_going(tenant)
    applied = await service.state_facts(session, platform, tenant, new, actor=actor)
    return await answered(session, platform, Started(tenant, applied.operation if applied else None), response)


@tenants.get("/{slug}/compliance")
async def get_tenant_compliance(
    tenant: KnownTenant,
    session: Session,
    platform: ThisPlatform,
    on: Day = None,
    known_at: Moment = None,
    accept_language: AcceptLanguage = None,
) -> TenantLawOut:
    """What the law asks of this tenant on a day, of which of its clinics, why, and what will change in the 180 days after."""
    return await service.law_of_tenant(session, platform, tenant, preferred(accept_language), on=_day(on), known_at=_moment(known_at))


@router.get("/attention")
async def list_attention(session: Session, actor: CurrentActor, wanted: WantedPage) -> AttentionList:
    """Tenants for which today's law waits for a person: rules that contradict each other, a chosen module that may no longer be used."""
    query = select(Tenant).where(Tenant.law_problem.is_not(None), Tenant.state != TenantState.DELETED)
    found = await page(session, query, Tenant.slug, Tenant.id, wanted=wanted)
    return AttentionList(items=[AttentionOut.of(tenant) for tenant in found.items], next=found.next)


async def known_edition(edition_id: UUID, session: Session, actor: CurrentActor) -> Edition:
    return await editions.get(session, edition_id)


async def locked_edition(edition_id: UUID, session: Session, actor: CurrentActor) -> Edition:
    return await editions.get(session, edition_id, lock=True)


KnownEdition = Annotated[Edition, Depends(known_edition)]
LockedEdition = Annotated[Edition, Depends(locked_edition)]


async def _shown(session: AsyncSession, edition: Edition) -> EditionOut:
    behind = await editions.behind(session, edition) if edition.state is EditionState.PUBLISHED else None
    return EditionOut.of(edition, behind)


@router.get("/editions")
async def list_editions(session: Session, actor: CurrentActor, wanted: WantedPage) -> EditionList:
    """Drafts and publications of the packs, the last one first."""
    found = await page(session, select(Edition), Edition.created_at, Edition.id, wanted=wanted, descending=True)
    return EditionList(items=[EditionOut.of(edition) for edition in found.items], next=found.next)


@router.post("/editions", status_code=201)
async def draft_edition(new: NewEdition, session: Session, actor: CurrentActor, platform: ThisPlatform) -> EditionOut:
    """Draft packs in place of those of the same jurisdictions. They are checked together with all others; nothing is in force yet."""
    return EditionOut.of(await editions.draft_texts(session, platform, new.packs, note=new.note, actor=actor))


@router.get("/editions/{edition_id}")
async def get_edition(edition: KnownEdition, session: Session) -> EditionOut:
    """One edition; `behind` says how many tenants have not come to it."""
    return await _shown(session, edition)


@router.get("/editions/{edition_id}/effect")
async def get_effect(edition: KnownEdition, session: Session, platform: ThisPlatform) -> EffectOut:
    """What publishing this draft would do, tenant by tenant: who restarts, whose answers change, for whom a person is needed."""
    found = await editions.effect(session, platform, edition)
    return EffectOut.model_validate({**found.shown(), "digest": found.digest})


@router.post("/editions/{edition_id}/publish")
async def publish_edition(
    told: Publication, edition: LockedEdition, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> EditionOut:
    """Put a draft in force. Those it restarts become members of a campaign; everybody else has it at once."""
    return await _shown(session, await editions.publish(session, platform, edition, told, actor=actor))


@router.delete("/editions/{edition_id}")
async def discard_edition(edition: LockedEdition, session: Session, actor: CurrentActor, platform: ThisPlatform) -> EditionOut:
    """Throw a draft away."""
    await editions.discard(session, platform, edition, actor=actor)
    return EditionOut.of(edition)
