from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, DomainError, NotFound
from control_plane.support.states import SupportState


class UnknownSupportRequest(NotFound):
    code: ClassVar[str] = "support_request_unknown"

    def __init__(self, request_id: UUID) -> None:
        super().__init__("This tenant has no such support request. `GET /v1/tenants/{slug}/support` lists them.", request=str(request_id))


class SupportNeedsAPerson(DomainError):
    """The clinic is told who looks: a key of nobody is not a person."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "support_needs_a_person"

    def __init__(self) -> None:
        super().__init__("The clinic is told who looks into it: sign in, or use a key of your own account.")


class SupportAskedAlready(Conflict):
    code: ClassVar[str] = "support_asked_already"

    def __init__(self, slug: str) -> None:
        super().__init__(f"You have an open request for {slug}. Use that one, or end it first: `DELETE /v1/tenants/{slug}/support/…`.")


class SupportImpossible(Conflict):
    code: ClassVar[str] = "support_impossible"

    def __init__(self, slug: str, why: str) -> None:
        super().__init__(f"Nobody in {slug} could be asked: {why}.")


class SupportNotOpen(Conflict):
    code: ClassVar[str] = "support_not_open"

    def __init__(self, state: SupportState) -> None:
        super().__init__(f"There is no pass while the request is {state.value}: the clinic has to agree, and its time must not be over.")


class NotYourSupport(DomainError):
    status: ClassVar[int] = 403
    code: ClassVar[str] = "support_of_another"

    def __init__(self) -> None:
        super().__init__("The clinic let another person in. Ask it yourself: `POST /v1/tenants/{slug}/support`.")
