"""Accounts and how they prove themselves. Of keys and sessions only a digest is stored.

They are 256 random bits, so a plain SHA-256 cannot be reversed.
"""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.access.scopes import Kind, Role
from control_plane.database import Base, text_enum
from control_plane.languages import Language


class Reseller(Base):
    """A company that brings clinics. Its staff see the tenants granted to it."""

    __tablename__ = "reseller"
    __table_args__ = (CheckConstraint("language IN ('en', 'es')", name="language_spoken"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    slug: Mapped[str | None] = mapped_column(String(40), unique=True)
    """Names its sign-up page, /r/{slug}; null: it has none."""
    billing_email: Mapped[str | None] = mapped_column(String(254))
    """Where the invoices go that it pays for its clinics."""
    language: Mapped[Language] = mapped_column(String(2), default="en", server_default="en")
    """It is written to in."""
    created_at: Mapped[datetime]


class Account(Base):
    """A person who signs in here: an operator, a tenant's owner, a reseller's staff."""

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("(kind = 'reseller') = (reseller_id IS NOT NULL)", name="staff_of_a_reseller"),
        CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="oidc_whole"),
        Index("uq_account_oidc", "oidc_issuer", "oidc_subject", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[Kind] = mapped_column(text_enum(Kind))
    role: Mapped[Role] = mapped_column(text_enum(Role))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In lower case."""
    name: Mapped[str] = mapped_column(String(200))
    reseller_id: Mapped[UUID | None] = mapped_column(ForeignKey("reseller.id"))
    password_hash: Mapped[str | None] = mapped_column(String(300))
    sealed_second_factor: Mapped[bytes | None] = mapped_column(LargeBinary)
    second_factor_step: Mapped[int] = mapped_column(BigInteger, default=0)
    """The time step of the last code accepted: each is good once."""
    second_factor_since: Mapped[datetime | None]
    oidc_issuer: Mapped[str | None] = mapped_column(String(300))
    oidc_subject: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class TenantGrant(Base):
    """A tenant that an owner's account, or a reseller's staff, may see and work on. Ended ones stay: the audit speaks of them."""

    __tablename__ = "tenant_grant"
    __table_args__ = (
        CheckConstraint("(account_id IS NULL) <> (reseller_id IS NULL)", name="to_one"),
        Index("uq_tenant_grant_account", "tenant_id", "account_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("uq_tenant_grant_reseller", "tenant_id", "reseller_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), index=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"), index=True)
    reseller_id: Mapped[UUID | None] = mapped_column(ForeignKey("reseller.id"), index=True)
    granted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class AccountSession(Base):
    """Somebody who signed in; ended by signing out, by time, or by an administrator."""

    __tablename__ = "account_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    whole: Mapped[bool]
    """Whether a second factor was given, here or at the identity provider; without it only one's own account can be reached."""
    by_mail: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it began with a mailed link, by somebody who reads the account's mail."""
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]


class OperatorKey(Base):
    """A key of the API: of an account, or (those made before there were any) of the platform's administrators."""

    __tablename__ = "operator_key"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    prefix: Mapped[str] = mapped_column(String(20), unique=True)
    """The key's recognisable beginning, safe to show."""
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str] | None]
    """None: all that the account's role has."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """To the minute."""
    revoked_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """The digest of a code that stands in for the authenticator app, once."""

    __tablename__ = "recovery_code"
    __table_args__ = (UniqueConstraint("account_id", "digest", name="uq_recovery_code_account_id_digest"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Attempts(Base):
    """How often something was tried within a window, under a digest of what and by whom."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    window_ends: Mapped[datetime] = mapped_column(index=True)


class OidcSignIn(Base):
    """A sign-in that was sent to the identity provider and has not come back yet."""

    __tablename__ = "oidc_sign_in"

    state: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A digest of what the provider brings back."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """The nonce and the code verifier."""
    expires_at: Mapped[datetime] = mapped_column(index=True)
