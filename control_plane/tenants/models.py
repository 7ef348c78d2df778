"""A tenant's row: the facts its clinic stated, what it chose, where it stands and until when."""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, String, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base, text_enum
from control_plane.languages import Language
from control_plane.releases.channels import Channel
from control_plane.tenants.states import MACHINE, STUCK, UNDER_WAY, TenantEvent, TenantState
from dentalpin_kit.problems import ErrorClass

_UNDER_WAY = ", ".join(f"'{state.value}'" for state in sorted(UNDER_WAY))
_STUCK = ", ".join(f"'{state.value}'" for state in sorted(STUCK))


PLATFORMS_OWN: Final = frozenset(
    {
        "state",
        "state_since",
        "state_deadline",
        "state_reason",
        "state_error_class",
        "url",
        "invitation_serial",
        "password_serial",
        "passwords_settled",
        "passwords_since",
        "law_due_at",
        "law_problem",
        "law_problem_code",
        "final_dump",
        "final_dump_until",
        "deleted_at",
    }
)
"""Columns the platform writes by itself: they are no part of the `ETag`, so a runtime that reports in refuses nobody's change."""


class Tenant(Base):
    __tablename__ = "tenant"
    __table_args__ = (
        CheckConstraint("(copy_of IS NULL) = (copy_until IS NULL) AND (copy_of IS NULL) = (copy_taken_at IS NULL)", name="copy_has_end"),
        CheckConstraint("(demo_until IS NULL) = (demo_language IS NULL)", name="demo_whole"),
        CheckConstraint("demo_until IS NULL OR copy_of IS NULL", name="demo_is_no_copy"),
        Index("ix_tenant_copy_until", "copy_until", postgresql_where=text("copy_until IS NOT NULL AND state <> 'deleted'")),
        # A deleted tenant gives its slug back; its row stays for the books and for the final dump.
        Index("uq_tenant_slug", "slug", unique=True, postgresql_where=text("state <> 'deleted'")),
        CheckConstraint(f"state NOT IN ({_UNDER_WAY}) OR state_deadline IS NOT NULL", name="under_way_has_deadline"),
        CheckConstraint(f"state NOT IN ({_STUCK}) OR state_reason IS NOT NULL AND state_error_class IS NOT NULL", name="stuck_has_reason"),
        Index("ix_tenant_law_due", "law_due_at", postgresql_where=text("state <> 'deleted'")),
        Index("ix_tenant_database_server", "database_server", postgresql_where=text("state <> 'deleted'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    slug: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(200))
    country: Mapped[str] = mapped_column(String(2))
    territory: Mapped[str | None] = mapped_column(String(20))
    legal_form: Mapped[str | None] = mapped_column(String(60))
    tax_id: Mapped[str | None] = mapped_column(String(40))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Further facts the law asks for (`sii`, `vat_registered`), by name."""
    owner_email: Mapped[str] = mapped_column(String(254))
    chosen: Mapped[list[str]]
    """Names of the modules the clinic chose, sorted; dependencies and law are in the revision."""
    pinned_release: Mapped[str | None] = mapped_column(String(80))
    region: Mapped[str | None] = mapped_column(String(40))
    """Where its data lies; null where nobody said where the environment's own server stands."""
    database_server: Mapped[str | None] = mapped_column(ForeignKey("database_server.name"))
    """Null: the server the environment names."""
    law_edition: Mapped[int | None] = mapped_column(Integer)
    """The edition of the packs it is planned with; null: those of the product."""
    law_due_at: Mapped[datetime | None]
    """When the law must next be looked at for it: a date comes, or a mail is due. Null: at the next occasion."""
    law_problem: Mapped[str | None]
    """Why the law of today cannot be brought about without a person."""
    law_problem_code: Mapped[str | None] = mapped_column(String(80))
    channel: Mapped[Channel] = mapped_column(text_enum(Channel), default=Channel.STABLE, server_default=Channel.STABLE)
    """How early it gets releases."""
    state: Mapped[TenantState] = mapped_column(text_enum(TenantState), default=MACHINE.initial)
    state_since: Mapped[datetime]
    state_deadline: Mapped[datetime | None]
    state_reason: Mapped[str | None]
    state_error_class: Mapped[ErrorClass | None] = mapped_column(text_enum(ErrorClass))
    """Who can mend what `state_reason` says."""
    copy_of: Mapped[UUID | None] = mapped_column(ForeignKey("tenant.id"))
    """The tenant whose backup this one is a copy of: it can send nothing to anybody."""
    copy_taken_at: Mapped[datetime | None]
    copy_until: Mapped[date | None] = mapped_column(Date)
    """A copy's last day."""
    demo_until: Mapped[date | None] = mapped_column(Date)
    """The day a demonstration ends; null for a clinic of somebody's own."""
    demo_language: Mapped[Language | None] = mapped_column(String(2))
    generation: Mapped[int] = mapped_column(Integer, default=0)
    """Of the desired revision."""
    url: Mapped[str | None]
    invitation_serial: Mapped[int] = mapped_column(Integer, default=0)
    password_serial: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """Of the database passwords its runtime is given; each rotation makes the next."""
    passwords_settled: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    """Whether those of the serial before let nobody in any more."""
    passwords_since: Mapped[datetime | None]
    """When the last rotation ended; null: they are those it was set up with."""
    delete_after: Mapped[datetime | None]
    """Until then a deletion can be undone."""
    deletion_protected: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    final_dump: Mapped[str | None]
    """Where the last copy of a deleted clinic lies in the object store."""
    final_dump_until: Mapped[date | None] = mapped_column(Date)
    """Null with a copy: no law fixes a day, and a person decides."""
    final_dump_reason: Mapped[str | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]

    @property
    def somebodys_own(self) -> bool:
        """Whether there is anything in it that is nowhere else: not in a copy, and what a demonstration holds is invented."""
        return self.copy_of is None and self.demo_until is None

    def move(
        self,
        on: TenantEvent,
        *,
        at: datetime,
        deadline: datetime | None = None,
        reason: str | None = None,
        error_class: ErrorClass | None = None,
    ) -> None:
        """Take the transition. A target that is under way needs a deadline, one that waits for a person a reason and who can mend it."""
        target = MACHINE.target(self.state, on)
        if target != self.state:
            self.state_since = at
        self.state = target
        self.state_deadline = deadline if target in UNDER_WAY else None
        self.state_reason, self.state_error_class = reason, (error_class or ErrorClass.US) if reason else None


SOMEBODYS_OWN: Final = (Tenant.copy_of.is_(None), Tenant.demo_until.is_(None))
"""`Tenant.somebodys_own`, for queries."""


class ObservedTenant(Base):
    """What a tenant's runtime last proved, as the worker saw it."""

    __tablename__ = "observation"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    generation: Mapped[int | None] = mapped_column(Integer)
    identity: Mapped[str | None] = mapped_column(String(80))
    effect: Mapped[str | None] = mapped_column(String(80))
    attestation: Mapped[dict[str, Any] | None]
    """The last attestation, kept while the runtime is idle or away."""
    attested_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    observed_at: Mapped[datetime]
