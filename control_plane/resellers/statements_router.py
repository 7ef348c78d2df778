"""/v1/resellers/{reseller_id}/commission and …/statements: the ledger, and each month of it as JSON, CSV and a page to print."""

import base64
import hashlib
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from fastapi import Path as InPath
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.models import Reseller
from control_plane.access.requires import Requires
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.pagination import WantedPage, page
from control_plane.resellers import ledger, statements
from control_plane.resellers.commission import EntryKind
from control_plane.resellers.models import CommissionEntry, CommissionStatement
from control_plane.resellers.router import AGREE, OwnReseller
from control_plane.resellers.statements import Line
from control_plane.resellers.texts import Words
from control_plane.tenants.schemas import Request

router = APIRouter(
    prefix="/resellers/{reseller_id}",
    tags=["resellers"],
    route_class=PlatformRoute,
)
READ = Requires("resellers:read", own=True)
Month = Annotated[str, InPath(pattern=r"^[0-9]{4}-[0-9]{2}$", description="As `2027-03`.")]
Currency = Annotated[str, InPath(pattern=r"^[A-Z]{3}$")]
_TEMPLATES: Final = Path(__file__).parent / "templates"
STYLE: Final = (_TEMPLATES / "statement.css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_environment: Final = Environment(
    loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


class LineOut(BaseModel):
    number: int
    at: datetime
    clinic: str
    slug: str
    invoice: str
    invoiced_at: datetime
    kind: EntryKind
    what: str = Field(description="The same in the reseller's language.")
    gross: Decimal
    base: Decimal = Field(description="Without tax: what the commission is a part of.")
    percent: Decimal
    terms_from: date | None
    amount: Decimal
    currency: str
    text: str = Field(description="The line in words, in the reseller's language.")

    @classmethod
    def of(cls, line: Line, say: Words) -> "LineOut":
        own = {name: getattr(line, name) for name in cls.model_fields if name not in ("what", "text")}
        return cls(**own, what=line.what(say), text=line.text(say))


class LedgerOut(BaseModel):
    items: list[LineOut]
    next: str | None
    balance: dict[str, Decimal] = Field(description="The sum of all lines, by currency.")


class StatementOut(BaseModel):
    month: str
    currency: str
    carried_in: Decimal = Field(description="Given back beyond what was earned in earlier months: zero or less.")
    total: Decimal
    payable: Decimal
    carried_out: Decimal
    issued_at: datetime
    settled_at: datetime | None
    reference: str | None

    @classmethod
    def of(cls, statement: CommissionStatement) -> "StatementOut":
        values = {name: getattr(statement, name) for name in cls.model_fields if name != "month"}
        return cls(month=f"{statement.month:%Y-%m}", **values)


class StatementList(BaseModel):
    items: list[StatementOut]
    next: str | None


class StatementDetail(StatementOut):
    lines: list[LineOut]


class Settlement(Request):
    reference: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    """Of the bank transfer by which it was paid out."""


async def own_statement(reseller: OwnReseller, month: Month, currency: Currency, session: Session) -> CommissionStatement:
    return await statements.find(session, reseller, month, currency)


OwnStatement = Annotated[CommissionStatement, Depends(own_statement)]


@router.get("/commission", dependencies=[READ])
async def list_commission(reseller: OwnReseller, session: Session, wanted: WantedPage) -> LedgerOut:
    """The ledger, the last line first. Lines are only added: what was refunded or disputed is a further line."""
    query = select(CommissionEntry).where(CommissionEntry.reseller_id == reseller.id)
    found = await page(session, query, CommissionEntry.number, wanted=wanted, descending=True)
    lines, say = await statements.lines(session, list(found.items)), Words(reseller.language)
    return LedgerOut(items=[LineOut.of(line, say) for line in lines], next=found.next, balance=await ledger.balance(session, reseller.id))


@router.get("/statements", dependencies=[READ])
async def list_statements(reseller: OwnReseller, session: Session, wanted: WantedPage) -> StatementList:
    query = select(CommissionStatement).where(CommissionStatement.reseller_id == reseller.id)
    found = await page(session, query, CommissionStatement.number, wanted=wanted, descending=True)
    return StatementList(items=[StatementOut.of(row) for row in found.items], next=found.next)


@router.get("/statements/{month}/{currency}", dependencies=[READ])
async def get_statement(statement: OwnStatement, reseller: OwnReseller, session: Session) -> StatementDetail:
    """A month with every line, and each line in words."""
    lines, say = await statements.lines_of(session, statement), Words(reseller.language)
    return StatementDetail(**StatementOut.of(statement).model_dump(), lines=[LineOut.of(line, say) for line in lines])


@router.get("/statements/{month}/{currency}/csv", dependencies=[READ], response_class=Response)
async def get_statement_csv(statement: OwnStatement, reseller: OwnReseller, session: Session) -> Response:
    """The same for a spreadsheet of the reseller's language."""
    return await statement_csv(session, reseller, statement)


@router.get("/statements/{month}/{currency}/page", dependencies=[READ], response_class=Response)
async def get_statement_page(statement: OwnStatement, reseller: OwnReseller, session: Session) -> Response:
    """The same as a page to print."""
    return await statement_page(session, reseller, statement)


async def statement_csv(session: AsyncSession, reseller: Reseller, statement: CommissionStatement) -> Response:
    name = f"statement-{statement.month:%Y-%m}-{statement.currency}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    content = statements.as_csv(await statements.lines_of(session, statement), reseller.language)
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


async def statement_page(session: AsyncSession, reseller: Reseller, statement: CommissionStatement) -> Response:
    html = _environment.get_template("statement.html").render(
        style=STYLE,
        say=Words(reseller.language),
        reseller=reseller,
        statement=StatementOut.of(statement),
        lines=await statements.lines_of(session, statement),
    )
    return Response(html, media_type="text/html; charset=utf-8", headers=HEADERS)


@router.post("/statements/{month}/{currency}/settlement", dependencies=[AGREE])
async def settle_statement(
    reseller: OwnReseller, month: Month, currency: Currency, body: Settlement, session: Session, actor: CurrentActor, platform: ThisPlatform
) -> StatementOut:
    """Record that it was paid out to the reseller."""
    statement = await statements.find(session, reseller, month, currency, lock=True)
    await statements.settle(session, statement, body.reference, actor=actor, at=platform.clock.now())
    return StatementOut.of(statement)
