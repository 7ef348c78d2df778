"""An invoice for a bank transfer as it is printed: all that it says, as it was when it was issued. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from control_plane.payments.manual.books import Terms
from control_plane.payments.manual.models import ManualInvoice
from control_plane.payments.manual.reckoning import REMAINING, UNUSED
from control_plane.payments.values import Invoice, InvoiceLine, InvoiceStatus


class Charge(StrEnum):
    PERIOD = "period"
    """A whole period, paid in advance."""
    REMAINING = "remaining"
    """What came in the middle of one, for the rest of it."""
    UNUSED = "unused"
    """What went in the middle of one: the rest of it, given back."""


@dataclass(frozen=True, slots=True)
class PaperLine:
    title: str
    charge: Charge
    starts: datetime
    ends: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Paper:
    number: str
    """Also what the payer gives as the transfer's reference."""
    issuer: tuple[str, ...]
    billed_to: str
    country: str
    tax_id: str | None
    status: InvoiceStatus
    issued_at: datetime
    due_at: datetime
    paid_at: datetime | None
    currency: str
    lines: tuple[PaperLine, ...]
    net: Decimal
    tax_percent: Decimal | None
    """None on one that is older than its being kept."""
    tax: Decimal
    total: Decimal
    credited: Decimal
    arrived: Decimal
    """Of what came by transfer, as much as the invoice asked for."""
    due: Decimal
    refunded: Decimal
    pay_to: tuple[str, ...]


def paper_of(row: ManualInvoice, shown: Invoice, terms: Terms) -> Paper:
    """`terms` say who sends it and where it is paid, where the invoice is older than its keeping that itself."""
    return Paper(
        number=row.number,
        issuer=_lines_in(terms.issuer if row.issuer is None else row.issuer),
        billed_to=row.billed_to["name"],
        country=row.billed_to["country"],
        tax_id=row.billed_to["tax_id"],
        status=row.status,
        issued_at=row.created_at,
        due_at=row.due_at,
        paid_at=row.paid_at,
        currency=row.currency,
        lines=tuple(_lines(shown.lines)),
        net=row.net,
        tax_percent=row.tax_percent,
        tax=row.tax,
        total=row.total,
        credited=row.credited,
        arrived=shown.paid - row.credited,
        due=shown.due,
        refunded=shown.refunded,
        pay_to=_lines_in(terms.pay_to if row.pay_to is None else row.pay_to),
    )


def _lines(lines: tuple[InvoiceLine, ...]) -> Iterator[PaperLine]:
    for line in lines:
        charge, after = Charge.PERIOD, ""
        if line.proration:
            charge, after = (Charge.UNUSED, UNUSED) if line.amount < 0 else (Charge.REMAINING, REMAINING)
        yield PaperLine(line.text.removesuffix(after), charge, line.starts, line.ends, line.amount)


def _lines_in(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.splitlines() if part.strip())
