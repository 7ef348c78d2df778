"""What another edition of the packs would do, tenant by tenant, before it is published. Writes nothing.

Tenants whose facts, choice, release and installed modules are alike get one answer: ten thousand of them are a few hundred kinds, since of
a tax number only what it tells counts.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, cast, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.campaigns.change import Change
from control_plane.campaigns.models import Campaign, Member
from control_plane.campaigns.states import OVER, MemberState
from control_plane.compliance.facts import establish
from control_plane.compliance.history import History
from control_plane.compliance.loading import Packs
from control_plane.compliance.requirements import Requirements
from control_plane.errors import DomainError
from control_plane.law.applying import WITHIN_REACH
from control_plane.law.judging import judge, law_for
from control_plane.law.models import StatementRow
from control_plane.law.shelf import Law
from control_plane.law.statements import histories_of
from control_plane.platform import Platform
from control_plane.revisions import service as revisions
from control_plane.revisions.document import RevisionContent
from control_plane.revisions.planner import Standing
from control_plane.tenants.models import Tenant
from dentalpin_kit.canonical import digest

AT_ONCE: Final = 500
"""Tenants whose facts are read together."""
TAX_ID: Final = "tax_id"


@dataclass(frozen=True)
class Affected:
    tenant_id: UUID
    slug: str
    changes: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Effect:
    """`restarts`: the effect digest changes. `answers`: only what is answered changes. `problems`: a person is needed."""

    tenants: int
    restarts: tuple[Affected, ...] = ()
    answers: tuple[Affected, ...] = ()
    problems: tuple[Affected, ...] = ()
    unaffected: tuple[UUID, ...] = field(default=(), repr=False)
    kinds: int = 0
    """How many different ones were planned."""

    @property
    def digest(self) -> str:
        """Over everything but which tenants are left untouched: whoever publishes says which effect they saw."""
        return digest(self.shown())

    def shown(self) -> dict[str, Any]:
        def one(affected: Affected) -> dict[str, Any]:
            return {
                "tenant": affected.slug,
                "changes": list(affected.changes),
                "install": list(affected.install),
                "remove": list(affected.remove),
                "problem": affected.problem,
            }

        return {
            "tenants": self.tenants,
            **{name: [one(each) for each in getattr(self, name)] for name in ("restarts", "answers", "problems")},
        }


@dataclass(frozen=True)
class _Outcome:
    """What the new packs make of one kind of tenant."""

    kind: str
    changes: tuple[str, ...] = ()
    install: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    problem: str | None = None


async def effect_of(session: AsyncSession, platform: Platform, packs: Packs, jurisdictions: Iterable[str], newest: int) -> Effect:
    """What these packs would change for living tenants with a clinic where these jurisdictions are.

    And for those that an earlier campaign left behind the `newest` edition: nobody else would ever take them up.
    """
    outcomes: dict[str, _Outcome] = {}
    found: dict[str, list[Affected]] = {"restarts": [], "answers": [], "problems": []}
    unaffected: list[UUID] = []
    tenants = await _concerned(session, frozenset(jurisdictions), newest)
    for some in batched(tenants, AT_ONCE):
        histories, standings = await histories_of(session, some), await revisions.standings_of(session, some)
        running = await revisions.releases_of(session, some)
        for tenant in some:
            history, standing = histories[tenant.id], standings[tenant.id]
            number = await _number(session, platform, tenant, history, packs)
            kind = _kind(tenant, history, standing, running[tenant.id], number)
            if kind not in outcomes:
                outcomes[kind] = await _outcome(session, platform, tenant, history, standing, packs)
            outcome = outcomes[kind]
            if outcome.kind == "same":
                unaffected.append(tenant.id)
                continue
            found[outcome.kind].append(Affected(tenant.id, tenant.slug, outcome.changes, outcome.install, outcome.remove, outcome.problem))
    return Effect(
        len(tenants), tuple(found["restarts"]), tuple(found["answers"]), tuple(found["problems"]), tuple(unaffected), len(outcomes)
    )


def batched(tenants: Sequence[Tenant], size: int) -> Iterator[Sequence[Tenant]]:
    return (tenants[start : start + size] for start in range(0, len(tenants), size))


async def _concerned(session: AsyncSession, jurisdictions: frozenset[str], newest: int) -> list[Tenant]:
    """Tenants with a clinic in the countries of these, now or by what was stated for later, and those that were left behind."""
    countries = sorted({id_.split("-")[0] for id_ in jurisdictions})
    said = [json.dumps(country) for country in countries]
    elsewhere = select(StatementRow.tenant_id).where(
        StatementRow.name == "country", StatementRow.known_until.is_(None), cast(StatementRow.value, String).in_(said)
    )
    query = select(Tenant).where(Tenant.state.in_(WITHIN_REACH), Tenant.generation > 0)
    concerned = or_(Tenant.country.in_(countries), Tenant.id.in_(elsewhere), and_(Tenant.law_edition < newest, ~_on_its_way()))
    return list(await session.scalars(query.where(concerned).order_by(Tenant.slug)))


def _on_its_way() -> ColumnElement[bool]:
    """A campaign that is not over will come to it yet."""
    coming = (MemberState.PENDING, MemberState.WAITING, MemberState.RUNNING)
    member = exists().where(Member.tenant_id == Tenant.id, Member.state.in_(coming), Campaign.id == Member.campaign_id)
    return member.where(Campaign.state.not_in(OVER), Campaign.change == Change.LAW)


def _kind(tenant: Tenant, history: History, standing: Standing, release: str, number: str) -> str:
    told = (replace(one, value=number) if one.name == TAX_ID and one.value else one for one in history.statements)
    said = sorted((one.clinic, one.name, str(one.value), str(one.valid_from), str(one.valid_until)) for one in told)
    words = [said, sorted(tenant.chosen), sorted(standing.installed), release, tenant.law_edition, tenant.region, tenant.database_server]
    return json.dumps(words, default=str)


async def _number(session: AsyncSession, platform: Platform, tenant: Tenant, history: History, packs: Packs) -> str:
    """What the tax number tells by the packs in force and by these: everybody has another one, and most tell the same.

    The numbers themselves where there are several, and where one is refused: what is said then names it.
    """
    numbers = sorted({str(one.value) for one in history.statements if one.name == TAX_ID and one.value})
    if len(numbers) != 1 or len([one for one in history.statements if one.name == TAX_ID]) != 1:
        return json.dumps(numbers)
    told = []
    for each in ((await law_for(session, platform, tenant)).packs, packs):
        try:
            found = establish(history.on(platform.clock.today()).entity, each.jurisdiction(tenant.country, tenant.territory))
        except DomainError:
            return json.dumps(numbers)
        told.append([found.tax_id.kind.label if found.tax_id else None, [(one.fact, one.value) for one in found.derived]])
    return json.dumps(told, default=str)


async def _outcome(
    session: AsyncSession, platform: Platform, tenant: Tenant, history: History, standing: Standing, packs: Packs
) -> _Outcome:
    before, answered = await _planned(session, platform, tenant, history, standing, None)
    after, answers = await _planned(session, platform, tenant, history, standing, Law(None, packs))
    if isinstance(after, DomainError):
        same = isinstance(before, DomainError) and before.message == after.message
        return _Outcome("same") if same and answered == answers else _Outcome("problems", problem=after.message)
    changes = _changes(answered, answers)
    if isinstance(before, DomainError) or before.effect != after.effect:
        old = [] if isinstance(before, DomainError) else [module.name for module in before.modules]
        new = [module.name for module in after.modules]
        install = tuple(name for name in new if name not in old)
        return _Outcome("restarts", changes, install, tuple(name for name in old if name not in new))
    return _Outcome("same") if answered == answers else _Outcome("answers", changes)


async def _planned(
    session: AsyncSession, platform: Platform, tenant: Tenant, history: History, standing: Standing, law: Law | None
) -> tuple[RevisionContent | DomainError, Requirements | None]:
    """What would be planned today and what would be answered; the refusal where nothing can be planned."""
    answered: Requirements | None = None
    try:
        answered = (await judge(session, platform, tenant, law=law, history=history)).requirements.model_copy(update={"packs": {}})
        proposal = await revisions.propose(
            session, platform, tenant, frozenset(tenant.chosen), standing, same_release=True, law=law, history=history
        )
    except DomainError as error:
        return error, answered
    return proposal.content, answered


def _changes(before: Requirements | None, after: Requirements | None) -> tuple[str, ...]:
    old, new = ({one.id: one.status.value for one in found.obligations} if found else {} for found in (before, after))
    return tuple(
        f"{id_}: {old.get(id_, 'none')} → {new.get(id_, 'none')}" for id_ in sorted(old.keys() | new.keys()) if old.get(id_) != new.get(id_)
    )
