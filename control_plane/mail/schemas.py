"""An outgoing mail as the API shows it: never its text, which may hold a one-time link."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from control_plane.mail.models import OutgoingMail
from control_plane.mail.states import MailState


class MailOut(BaseModel):
    id: UUID
    tenant_id: UUID | None
    to: str
    template: str
    subject: str
    state: MailState
    reason: str | None
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    sent_at: datetime | None

    @classmethod
    def of(cls, mail: OutgoingMail) -> "MailOut":
        return cls(
            id=mail.id,
            tenant_id=mail.tenant_id,
            to=mail.to,
            template=mail.template,
            subject=mail.subject,
            state=mail.state,
            reason=mail.reason,
            attempts=mail.attempts,
            next_attempt_at=mail.due_at if mail.state is MailState.WAITING else None,
            created_at=mail.created_at,
            sent_at=mail.sent_at,
        )


class MailList(BaseModel):
    items: list[MailOut]
    next: str | None
    """Pass as `after` for the following page; null on the last."""
