"""What a reseller is refused. Each message names the ceiling, the floor or the consent that is in the way, and who can move it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, DomainError, Invalid, NotFound

_ASK = "Ask the platform's operators for other terms"


class TooManyTenants(Conflict):
    code: ClassVar[str] = "reseller_tenants_exceeded"

    def __init__(self, reseller: str, present: int, limit: int) -> None:
        super().__init__(
            f"{reseller} has {present} tenants and may have {limit}. {_ASK}, or hand one over first.", present=present, limit=limit
        )


class TooManyDemos(Conflict):
    code: ClassVar[str] = "reseller_demos_exceeded"

    def __init__(self, reseller: str, present: int, limit: int) -> None:
        super().__init__(
            f"{reseller} has {present} demonstrations and may have {limit} at a time. End one (`DELETE /v1/demos/…`), or wait for its day.",
            present=present,
            limit=limit,
        )


class ModulesBeyondCeiling(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "reseller_modules_exceeded"

    def __init__(self, reseller: str, beyond: Sequence[str], allowed: Sequence[str]) -> None:
        super().__init__(
            f"{reseller} may not choose {', '.join(beyond)}; its terms name {', '.join(allowed) or 'no module'}. "
            f"Leave them out, let the clinic choose them itself, or ask the platform's operators for other terms.",
            modules=list(beyond),
            allowed=list(allowed),
        )


class RegionBeyondCeiling(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "reseller_region_exceeded"

    def __init__(self, reseller: str, region: str | None, allowed: Sequence[str]) -> None:
        where = f"in {region}" if region else "where nobody said in which region"
        super().__init__(
            f"The clinic's data would lie {where}; {reseller} may open clinics in {', '.join(allowed) or 'no region'}. {_ASK}.",
            region=region,
            allowed=list(allowed),
        )


class BelowFloor(Invalid):
    code: ClassVar[str] = "price_below_floor"

    def __init__(self, below: Sequence[tuple[str, str, Decimal, Decimal]]) -> None:
        words = "; ".join(f"{item}: {amount} {currency} is less than {floor} {currency}" for item, currency, amount, floor in below)
        super().__init__(
            f"Prices may not lie below the wholesale price: {words}. Raise them; `GET /v1/resellers/…/prices` shows the floor of each.",
            items=[
                {"item": item, "currency": currency, "amount": str(amount), "floor": str(floor)} for item, currency, amount, floor in below
            ],
        )


class UnknownItem(Invalid):
    code: ClassVar[str] = "price_item_unknown"

    def __init__(self, item: str, currency: str, tariff: str) -> None:
        super().__init__(
            f"The tariff {tariff} sells no {item!r} in {currency}. `GET /v1/resellers/…/prices` names what there is.",
            item=item,
            currency=currency,
            tariff=tariff,
        )


class ContrastTooLow(Invalid):
    code: ClassVar[str] = "brand_contrast_too_low"

    def __init__(self, colour: str, ratio: Decimal, needed: Decimal) -> None:
        super().__init__(
            f"{colour} stands out from white by {ratio}:1 only; texts and buttons need {needed}:1 to be read by everybody "
            f"(WCAG 2.2, 1.4.3). Choose a darker colour.",
            colour=colour,
            ratio=str(ratio),
        )


class LogoUnusable(Invalid):
    code: ClassVar[str] = "brand_logo_unusable"

    def __init__(self, why: str) -> None:
        super().__init__(f"The logo cannot be used: {why}. Send a PNG of at most 100 KB, 16 to 1200 pixels wide and high, in base64.")


class ResellerSlugTaken(Conflict):
    code: ClassVar[str] = "reseller_slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The address /r/{slug} belongs to another reseller. Choose another slug.", slug=slug)


class ResellerUnreachable(Conflict):
    code: ClassVar[str] = "reseller_unreachable"

    def __init__(self, reseller: str) -> None:
        super().__init__(
            f"Nobody at {reseller} can be written to about its invoices. Give it a billing address with "
            "`PUT /v1/resellers/{reseller_id}/correspondence`, or hire an administrator."
        )


class NotTheirTenant(Conflict):
    code: ClassVar[str] = "tenant_not_resellers"

    def __init__(self, slug: str) -> None:
        super().__init__(f"{slug} is not this reseller's. `GET /v1/resellers/…/tenants` lists its tenants.", slug=slug)


class TransferOpen(Conflict):
    code: ClassVar[str] = "transfer_open"

    def __init__(self, slug: str, transfer_id: UUID) -> None:
        super().__init__(
            f"A transfer of {slug} waits for an answer already. Accept, decline or withdraw that one first.",
            slug=slug,
            transfer=str(transfer_id),
        )


class TransferNowhere(Invalid):
    code: ClassVar[str] = "transfer_to_itself"

    def __init__(self, slug: str) -> None:
        super().__init__(f"{slug} is there already. Name another reseller, or none to make the clinic a direct customer.", slug=slug)


class NotTransferable(Conflict):
    code: ClassVar[str] = "tenant_not_transferable"

    def __init__(self, slug: str) -> None:
        super().__init__(f"{slug} is a demonstration or a copy, and stays with whoever opened it. Open another one there.", slug=slug)


class UnknownTransfer(NotFound):
    code: ClassVar[str] = "unknown_transfer"

    def __init__(self, transfer_id: UUID) -> None:
        super().__init__(f"There is no transfer {transfer_id} that concerns you.", transfer=str(transfer_id))


class TransferOver(Conflict):
    code: ClassVar[str] = "transfer_over"

    def __init__(self, transfer_id: UUID, state: str, expired: datetime | None = None) -> None:
        when = f" It was open until {expired:%d %B %Y, %H:%M} UTC." if expired else ""
        super().__init__(f"The transfer is {state}.{when} Ask for another one.", transfer=str(transfer_id), state=state)


class TransferOvertaken(Conflict):
    code: ClassVar[str] = "transfer_overtaken"

    def __init__(self, transfer_id: UUID) -> None:
        super().__init__(
            "The tenant is not where it was when the transfer was asked for. Withdraw it and ask for another one.",
            transfer=str(transfer_id),
        )


class UnknownParty(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "transfer_party_unknown"

    def __init__(self, party: str, parties: Sequence[str]) -> None:
        super().__init__(f"{party} has no say in this transfer; it waits for {', '.join(parties)}.", party=party, parties=list(parties))


class StatementSettled(Conflict):
    code: ClassVar[str] = "statement_settled"

    def __init__(self, month: str, reference: str) -> None:
        super().__init__(f"The statement of {month} was settled already ({reference}).", month=month, reference=reference)


class UnknownStatement(NotFound):
    code: ClassVar[str] = "unknown_statement"

    def __init__(self, month: str, currency: str) -> None:
        super().__init__(
            f"There is no statement of {month} in {currency}. A month's statement is issued on the first day of the next one.",
            month=month,
            currency=currency,
        )
