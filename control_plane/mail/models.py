"""Mails on their way. The text is gone once a mail was handed over: it may hold a link that is a key."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.mail.states import MACHINE, MailEvent, MailState


class OutgoingMail(Base):
    __tablename__ = "outgoing_mail"
    __table_args__ = (
        Index("ix_outgoing_mail_due_at", "due_at", postgresql_where=text("state = 'waiting'")),
        CheckConstraint("state = 'sent' OR text IS NOT NULL", name="unsent_has_text"),
        CheckConstraint("state <> 'failed' OR reason IS NOT NULL", name="failed_has_reason"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    """Names this very mail: writing it again writes nothing."""
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("tenant.id"), index=True)
    to: Mapped[str] = mapped_column(String(254))
    template: Mapped[str] = mapped_column(String(60))
    locale: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str]
    text: Mapped[str | None]
    state: Mapped[MailState] = mapped_column(text_enum(MailState), default=MACHINE.initial)
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime]
    give_up_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    def move(self, on: MailEvent, *, reason: str | None = None) -> None:
        self.state, self.reason = MACHINE.target(self.state, on), reason
