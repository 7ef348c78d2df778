"""What legal entities stated, as rows. Recording is one transaction of the caller, who holds the tenant's row."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.compliance.history import ENTITY, KEPT_ELSEWHERE, LAST_USED, History, Statement, Value, statements_of
from control_plane.compliance.loading import Packs
from control_plane.compliance.resolving import HORIZON
from control_plane.compliance.uniting import law_of
from control_plane.law.errors import BadStatement
from control_plane.law.models import StatementRow
from control_plane.tenants.models import Tenant

LONGEST_VALUE = 200


async def history_of(session: AsyncSession, tenant: Tenant, *, known_at: datetime | None = None) -> History:
    """What is believed of a tenant (at a moment, where one is given); of a draft that is nowhere stored, what it says itself."""
    query = select(StatementRow).where(StatementRow.tenant_id == tenant.id).order_by(StatementRow.number)
    if known_at is None:
        query = query.where(StatementRow.known_until.is_(None))
    else:
        until = or_(StatementRow.known_until.is_(None), StatementRow.known_until > known_at)
        query = query.where(and_(StatementRow.known_from <= known_at, until))
    rows = list(await session.scalars(query))
    if not rows and known_at is None:
        return said_by(tenant)
    return History(tuple(_statement(row) for row in rows))


async def histories_of(session: AsyncSession, tenants: Sequence[Tenant]) -> dict[UUID, History]:
    """What is believed of many tenants, by their ids."""
    ids = [tenant.id for tenant in tenants]
    query = select(StatementRow).where(StatementRow.tenant_id.in_(ids), StatementRow.known_until.is_(None)).order_by(StatementRow.number)
    found: dict[UUID, list[Statement]] = {}
    for row in await session.scalars(query):
        found.setdefault(row.tenant_id, []).append(_statement(row))
    return {tenant.id: History(tuple(found[tenant.id])) if tenant.id in found else said_by(tenant) for tenant in tenants}


def said_by(tenant: Tenant, clinics: Mapping[str, Mapping[str, Value]] | None = None) -> History:
    """A draft's own fields, and its further clinics' facts, as statements that always held."""
    own = {"country": tenant.country, "territory": tenant.territory, "legal_form": tenant.legal_form, "tax_id": tenant.tax_id}
    stated = [*statements_of(ENTITY, {**own, **tenant.facts})]
    for key, facts in (clinics or {}).items():
        stated.extend(statements_of(key, facts))
    return History(tuple(stated))


def _statement(row: StatementRow) -> Statement:
    return Statement(row.clinic, row.name, row.value, row.valid_from, row.valid_until, row.known_from, row.known_until)


def write(session: AsyncSession, tenant_id: UUID, statements: Iterable[Statement], *, actor: Actor, at: datetime, note: str | None) -> None:
    """Add rows for statements known from `at` on."""
    for one in statements:
        session.add(
            StatementRow(
                tenant_id=tenant_id,
                clinic=one.clinic,
                name=one.name,
                value=str(one.value) if isinstance(one.value, Decimal) else one.value,
                valid_from=one.valid_from,
                valid_until=one.valid_until,
                known_from=at,
                stated_by=actor.label,
                note=note,
            )
        )


async def state(
    session: AsyncSession,
    tenant: Tenant,
    new: Iterable[Statement],
    packs: Packs,
    *,
    today: date,
    actor: Actor,
    at: datetime,
    note: str | None,
) -> bool:
    """Record statements, later ones over earlier ones; False where all of it is believed already. What was believed stays readable.

    Checked first against the law of today and of the days on which something changes, so that nothing is recorded that no law could read:
    raises BadStatement and what compliance.resolve raises.
    """
    history = await history_of(session, tenant)
    before = history
    for one in new:
        _check(one)
        closed, added = history.stating(one, at=at)
        kept = tuple(old for old in history.statements if old not in closed)
        history = History((*kept, *added))
    if history == before:
        return False
    law_of(history, packs, today)
    for day in history.boundaries(today, today + HORIZON * 20):
        law_of(history, packs, day)
    # Two corrections at one moment: the clock of a test stands still, and people are quick.
    latest = await session.scalar(select(func.max(StatementRow.known_from)).where(StatementRow.tenant_id == tenant.id))
    at = max(at, latest) if latest is not None else at
    gone = [one for one in before.statements if one not in history.statements]
    for one in gone:
        closing = update(StatementRow).where(
            StatementRow.tenant_id == tenant.id,
            StatementRow.clinic == one.clinic,
            StatementRow.name == one.name,
            StatementRow.valid_from.is_not_distinct_from(one.valid_from),
            StatementRow.known_until.is_(None),
        )
        await session.execute(closing.values(known_until=at))
    write(session, tenant.id, (one for one in history.statements if one not in before.statements), actor=actor, at=at, note=note)
    await session.flush()
    return True


def _check(one: Statement) -> None:
    if one.valid_from is not None and one.valid_until is not None and one.valid_until <= one.valid_from:
        raise BadStatement(one.name, "it would end before it begins; give a later `valid_until`, or none")
    if isinstance(one.value, str) and (len(one.value) > LONGEST_VALUE or not one.value.isprintable()):
        raise BadStatement(one.name, f"a text has up to {LONGEST_VALUE} printable characters")
    if one.name.endswith(LAST_USED) and one.value is not None:
        try:
            date.fromisoformat(str(one.value))
        except ValueError as error:
            raise BadStatement(one.name, "it is a day, written YYYY-MM-DD") from error
    if one.name.endswith(KEPT_ELSEWHERE) and not isinstance(one.value, bool | None):
        raise BadStatement(one.name, "it is true or false")
    if one.clinic == ENTITY and one.name == "country" and not one.value:
        raise BadStatement(one.name, "a legal entity is always somewhere; state another country instead")


def project(tenant: Tenant, history: History, today: date) -> None:
    """Show on the tenant's row what holds today; lists and people read that."""
    facts = history.on(today).entity
    tenant.country, tenant.territory = facts.country, facts.territory
    tenant.legal_form, tenant.tax_id = facts.legal_form, facts.tax_id
    tenant.facts = {name: str(value) if isinstance(value, Decimal) else value for name, value in facts.stated.items()}
