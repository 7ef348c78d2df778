"""What can be in the way of leaving. Each message says what to do, and for a legal obstacle which law it is."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, DomainError, Invalid, NotFound
from control_plane.exit.law import Term


class TenantProtected(Conflict):
    code: ClassVar[str] = "tenant_protected"

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"{slug} is protected against deletion. Take that away first (PUT /v1/tenants/{slug}/deletion-protection), then delete.",
            slug=slug,
        )


class ConfirmationMissing(Invalid):
    code: ClassVar[str] = "confirmation_missing"

    def __init__(self, slug: str) -> None:
        super().__init__(f"This cannot be undone. Repeat the clinic's slug in `confirm` to say that {slug} is meant.", slug=slug)


class NotClosing(Conflict):
    code: ClassVar[str] = "tenant_not_closing"

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(
            f"{slug} is {state}: there is no deletion that could be undone. One that is over can be brought back from its last copy only.",
            slug=slug,
            state=state,
        )


class ExportNotPossible(Conflict):
    code: ClassVar[str] = "export_not_possible"

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(
            f"{slug} is {state} and cannot be exported now. Of a deleted clinic the last copy is listed under its exports.",
            slug=slug,
            state=state,
        )


class UnknownExport(NotFound):
    code: ClassVar[str] = "unknown_export"

    def __init__(self, export_id: UUID) -> None:
        super().__init__(f"There is no export {export_id} of this clinic. List them with GET /v1/tenants/…/exports.", export=str(export_id))


class ExportGone(DomainError):
    status: ClassVar[int] = 410
    code: ClassVar[str] = "export_gone"

    def __init__(self, export_id: UUID, since: datetime) -> None:
        super().__init__(f"The export was removed on {since:%d %B %Y}. Make another one.", export=str(export_id))


class ExportKept(Conflict):
    code: ClassVar[str] = "export_kept_by_law"

    def __init__(self, export_id: UUID, reason: str) -> None:
        super().__init__(f"This is the last copy of a deleted clinic. {reason} It goes by an erasure only.", export=str(export_id))


class LinkUnknown(NotFound):
    """Never made, expired, or used: a guess learns nothing."""

    code: ClassVar[str] = "export_link_unknown"

    def __init__(self) -> None:
        super().__init__("This link is not valid any more: it works once, and for a few days. Ask for a new one.")


class NotDeleted(Conflict):
    code: ClassVar[str] = "tenant_not_deleted"

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(f"{slug} is {state}. Delete the clinic first; what is left of it can be erased then.", slug=slug, state=state)


class ErasureConflict(Conflict):
    """The law asks for what is to be erased."""

    code: ClassVar[str] = "erasure_conflicts_with_law"

    def __init__(self, terms: Sequence[Term]) -> None:
        kept = "; ".join(f"{term.record} until {term.until or 'a person decides'} ({term.law})" for term in terms)
        super().__init__(
            f"The law asks that these records be kept: {kept}. Where the clinic keeps them itself, let it download its last copy first "
            "and ask again with `handed_over`; leave that out to erase all but these records.",
            terms=[{"record": term.record, "until": str(term.until) if term.until else None, "law": term.law} for term in terms],
        )


class UnknownErasure(NotFound):
    code: ClassVar[str] = "unknown_erasure"

    def __init__(self, erasure_id: UUID) -> None:
        super().__init__(f"There is no erasure {erasure_id} of this clinic.", erasure=str(erasure_id))
