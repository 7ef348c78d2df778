"""Monthly statements: which lines of the ledger belong to one, what is paid out, and each line in words."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER, Actor
from control_plane.access.models import Reseller
from control_plane.audit import service as audit
from control_plane.languages import Language
from control_plane.operations.steps.base import Tools
from control_plane.resellers import ledger
from control_plane.resellers.commission import ZERO, EntryKind
from control_plane.resellers.errors import StatementSettled, UnknownStatement
from control_plane.resellers.models import CommissionEntry, CommissionStatement, ResellerTerms
from control_plane.resellers.texts import Words
from control_plane.tenants.models import Tenant

COLUMNS: Final = ("number", "date", "clinic", "invoice", "invoiced", "what", "gross", "net", "percent", "terms", "commission", "currency")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger with everything that explains it."""

    number: int
    at: datetime
    clinic: str
    slug: str
    invoice: str
    invoiced_at: datetime
    kind: EntryKind
    gross: Decimal
    base: Decimal
    percent: Decimal
    terms_from: date | None
    amount: Decimal
    currency: str

    def what(self, say: Words) -> str:
        """What happened to the invoice: a kind of line gives when it goes one way, and takes back when it goes the other."""
        return say(f"line.{self.kind.value}.{'back' if self.gross < 0 else 'there'}")

    def text(self, say: Words) -> str:
        """The line in one sentence, in the reseller's language."""
        return say(
            "line.text",
            invoice=self.invoice,
            date=say.date(self.invoiced_at.date()),
            clinic=self.clinic,
            what=self.what(say),
            gross=say.money(self.gross, self.currency),
            base=say.money(self.base, self.currency),
            percent=say.number(self.percent),
            terms=f" {say('line.terms', date=say.date(self.terms_from))}" if self.terms_from else "",
            amount=say.money(self.amount, self.currency),
        )


def month_of(text: str) -> date:
    """The first day of `2027-03`. Raises ValueError."""
    return date.fromisoformat(f"{text}-01")


def after_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def midnight(value: date) -> datetime:
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


async def issue_due(tools: Tools) -> None:
    """The statements of the month that is over, and of earlier ones that were missed, for every reseller with something to state."""
    platform = tools.platform
    today = platform.clock.now().date()
    async with platform.database.transaction() as session:
        query = select(CommissionEntry.reseller_id, CommissionEntry.currency, func.min(CommissionEntry.at))
        found = list(await session.execute(query.group_by(CommissionEntry.reseller_id, CommissionEntry.currency)))
    for reseller_id, currency, first in found:
        month = date(first.year, first.month, 1)
        while (following := after_month(month)) <= today:
            async with platform.database.transaction() as session:
                await issue(session, reseller_id, month, currency, at=platform.clock.now())
            month = following


async def issue(session: AsyncSession, reseller_id: UUID, month: date, currency: str, *, at: datetime) -> CommissionStatement | None:
    """The statement of a month that is over; None where it was issued before, or there is nothing to state.

    A line that came in too late is stated with the next month: every line is in exactly one statement. What is given back beyond what was
    earned is carried on, and nothing is paid out until it is earned again.
    """
    await ledger.hold(session, reseller_id)
    own = (CommissionStatement.reseller_id == reseller_id, CommissionStatement.currency == currency)
    last = await session.scalar(select(CommissionStatement).where(*own).order_by(CommissionStatement.month.desc()).limit(1))
    if last is not None and last.month >= month:
        return None
    after, carried_in = (last.through, last.carried_out) if last is not None else (0, ZERO)
    mine = (CommissionEntry.reseller_id == reseller_id, CommissionEntry.currency == currency, CommissionEntry.number > after)
    until = select(func.max(CommissionEntry.number)).where(*mine, CommissionEntry.at < midnight(after_month(month)))
    through = await session.scalar(until) or after
    if through == after and not carried_in:
        return None
    total = await session.scalar(
        select(func.coalesce(func.sum(CommissionEntry.amount), ZERO)).where(*mine, CommissionEntry.number <= through)
    )
    sum_ = carried_in + (total or ZERO)
    row = CommissionStatement(
        reseller_id=reseller_id,
        month=month,
        currency=currency,
        after=after,
        through=through,
        carried_in=carried_in,
        total=total or ZERO,
        payable=max(ZERO, sum_),
        carried_out=min(ZERO, sum_),
        issued_at=at,
    )
    session.add(row)
    await session.flush()
    audit.record(
        session,
        WORKER,
        "reseller.statement_issued",
        at=at,
        reseller=str(reseller_id),
        month=f"{month:%Y-%m}",
        currency=currency,
        payable=str(row.payable),
    )
    return row


async def find(session: AsyncSession, reseller: Reseller, month: str, currency: str, *, lock: bool = False) -> CommissionStatement:
    """Raises UnknownStatement, also for what is no month."""
    try:
        first = month_of(month)
    except ValueError as error:
        raise UnknownStatement(month, currency) from error
    query = select(CommissionStatement).where(CommissionStatement.reseller_id == reseller.id, CommissionStatement.month == first)
    query = query.where(CommissionStatement.currency == currency)
    found = await session.scalar(query.with_for_update() if lock else query)
    if found is None:
        raise UnknownStatement(month, currency)
    return found


async def settle(session: AsyncSession, statement: CommissionStatement, reference: str, *, actor: Actor, at: datetime) -> None:
    """Record that it was paid out. Raises StatementSettled."""
    month = f"{statement.month:%Y-%m}"
    if statement.reference is not None:
        raise StatementSettled(month, statement.reference)
    statement.settled_at, statement.settled_by, statement.reference = at, actor.label, reference
    about = {"month": month, "currency": statement.currency, "reference": reference}
    audit.record(session, actor, "reseller.statement_settled", at=at, tenant_id=None, reseller=str(statement.reseller_id), statement=about)


async def lines_of(session: AsyncSession, statement: CommissionStatement) -> list[Line]:
    query = select(CommissionEntry).where(
        CommissionEntry.reseller_id == statement.reseller_id,
        CommissionEntry.currency == statement.currency,
        CommissionEntry.number > statement.after,
        CommissionEntry.number <= statement.through,
    )
    return await lines(session, list(await session.scalars(query.order_by(CommissionEntry.number))))


async def lines(session: AsyncSession, entries: Sequence[CommissionEntry]) -> list[Line]:
    """Entries with the names of clinics as they are today and the terms they were reckoned by."""
    tenants = {one.id: one for one in await session.scalars(select(Tenant).where(Tenant.id.in_({entry.tenant_id for entry in entries})))}
    agreed = select(ResellerTerms).where(ResellerTerms.id.in_({entry.terms_id for entry in entries if entry.terms_id}))
    terms = {one.id: one.valid_from.date() for one in await session.scalars(agreed)}
    return [
        Line(
            number=entry.number,
            at=entry.at,
            clinic=tenants[entry.tenant_id].name,
            slug=tenants[entry.tenant_id].slug,
            invoice=entry.invoice_number or entry.invoice,
            invoiced_at=entry.invoiced_at,
            kind=entry.kind,
            gross=entry.gross,
            base=entry.base,
            percent=entry.percent,
            terms_from=terms.get(entry.terms_id) if entry.terms_id else None,
            amount=entry.amount,
            currency=entry.currency,
        )
        for entry in entries
    ]


def as_csv(found: Sequence[Line], language: Language) -> str:
    """For a spreadsheet set to the reseller's language: decimal commas between semicolons in Spanish. A text that one would take for a
    formula is quoted by an apostrophe.
    """
    say = Words(language)
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=";" if language == "es" else ",")
    writer.writerow([say(f"column.{name}") for name in COLUMNS])
    for line in found:
        words = (line.clinic, line.invoice)
        clinic, invoice = (f"'{word}" if word[:1] in "=+-@\t\r" else word for word in words)
        writer.writerow(
            (
                line.number,
                line.at.date().isoformat(),
                clinic,
                invoice,
                line.invoiced_at.date().isoformat(),
                line.what(say),
                *(say.plain(amount) for amount in (line.gross, line.base, line.percent)),
                line.terms_from.isoformat() if line.terms_from else "",
                say.plain(line.amount),
                line.currency,
            )
        )
    return stream.getvalue()
