"""Exports, deletions and erasures as the API takes and shows them. No link and no key is ever among them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from control_plane.exit.erasing import Decision, Plan
from control_plane.exit.law import Term
from control_plane.exit.models import Erasure, ErasureReceipt, ExportFormat, ExportKind, ReceiptStatus, TenantExport
from control_plane.operations.schemas import OperationOut
from control_plane.tenants.schemas import Request

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class Protection(Request):
    protected: bool
    reason: Reason


class ProtectionOut(BaseModel):
    slug: str
    protected: bool


class ExportOut(BaseModel):
    """One archive. Its content goes to the clinic's owner by a link that is mailed to them, works once, and is shown to nobody else."""

    id: UUID
    kind: ExportKind
    format: ExportFormat
    where: str = Field(description="Its place in the object store, where it is sealed with the tenant's own key.")
    bytes: int
    sha256: str
    created_at: datetime
    created_by: str
    kept_until: date | None = Field(description="Null: no law fixes a day, and a person decides.")
    reason: str
    downloaded_at: datetime | None
    removed_at: datetime | None

    @classmethod
    def of(cls, export: TenantExport) -> "ExportOut":
        return cls(
            id=export.id,
            kind=export.kind,
            format=export.format,
            where=export.object_key,
            bytes=export.bytes,
            sha256=export.sha256,
            created_at=export.created_at,
            created_by=export.created_by,
            kept_until=export.kept_until,
            reason=export.reason,
            downloaded_at=export.downloaded_at,
            removed_at=export.removed_at,
        )


class ExportList(BaseModel):
    items: list[ExportOut]
    next: str | None
    """Pass as `after` for the following page; null on the last."""


class ExportStarted(BaseModel):
    operation: OperationOut


class LinkMailed(BaseModel):
    mailed_to: str
    expires_at: datetime


class SigningKeyOut(BaseModel):
    algorithm: str
    public_key: str = Field(description="What `dentalpin import --signed-by` is given.")


class ErasureRequest(Request):
    confirm: str = Field(max_length=80, description="The clinic's slug once more: this cannot be undone.")
    reason: Reason
    handed_over: bool = Field(
        False,
        description="The clinic keeps its records itself: nothing is kept here for the law. It must have downloaded its last copy.",
    )


class TermOut(BaseModel):
    record: str
    until: date | None
    law: str
    basis: str | None
    note: str | None
    confidence: str

    @classmethod
    def of(cls, term: Term) -> "TermOut":
        return cls(record=term.record, until=term.until, law=term.law, basis=term.basis, note=term.note, confidence=term.confidence)


class ReceiptOut(BaseModel):
    system: str
    status: ReceiptStatus
    what: str
    law: str | None
    until: date | None
    at: datetime | None

    @classmethod
    def of(cls, receipt: ErasureReceipt | Decision) -> "ReceiptOut":
        at = receipt.at if isinstance(receipt, ErasureReceipt) else None
        return cls(system=receipt.system, status=receipt.status, what=receipt.what, law=receipt.law, until=receipt.until, at=at)


class ErasurePlanOut(BaseModel):
    """What an erasure would do, and what the law asks to be kept. Nothing was written."""

    systems: list[ReceiptOut]
    law: list[TermOut] | None = Field(description="Null: the clinic's facts do not say which law applies.")

    @classmethod
    def of(cls, plan: Plan) -> "ErasurePlanOut":
        law = [TermOut.of(term) for term in plan.conflicts.terms] if plan.conflicts is not None else None
        return cls(systems=[ReceiptOut.of(one) for one in plan.decisions], law=law)


class ErasureOut(BaseModel):
    id: UUID
    operation: UUID | None
    reason: str
    handed_over: bool
    requested_at: datetime
    requested_by: str
    finished_at: datetime | None
    receipts: list[ReceiptOut]

    @classmethod
    def of(cls, erasure: Erasure, receipts: list[ErasureReceipt]) -> "ErasureOut":
        return cls(
            id=erasure.id,
            operation=erasure.operation_id,
            reason=erasure.reason,
            handed_over=erasure.handed_over,
            requested_at=erasure.requested_at,
            requested_by=erasure.requested_by,
            finished_at=erasure.finished_at,
            receipts=[ReceiptOut.of(one) for one in receipts],
        )


class ErasureList(BaseModel):
    items: list[ErasureOut]
