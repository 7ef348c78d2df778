"""Keys, accounts and sessions as the API takes and shows them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints, model_validator

from control_plane.access.actors import Actor
from control_plane.access.models import Account, OperatorKey, TenantGrant
from control_plane.access.scopes import Kind, Role

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[EmailStr, StringConstraints(max_length=254)]
Password = Annotated[str, Field(max_length=256)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewKey(Request):
    name: str = Field(min_length=1, max_length=80, description="Whose key this is, or what uses it.")
    scopes: Annotated[list[str], Field(max_length=60)] | None = Field(None, description="A part of your own; left out: all of them.")
    expires_in_days: int | None = Field(None, ge=1, le=3650)


class Rotation(Request):
    overlap_hours: int = Field(24, ge=0, le=720, description="How long the old key is accepted beside the new one.")


class KeyOut(BaseModel):
    name: str
    prefix: str
    account_id: UUID | None
    scopes: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None = Field(description="When it was last used, to the minute.")
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: OperatorKey) -> "KeyOut":
        return cls(**{name: getattr(key, name) for name in cls.model_fields})


class CreatedKey(KeyOut):
    key: str | None = Field(description="Shown this once; null where the request is repeated with its Idempotency-Key.")


class KeyList(BaseModel):
    items: list[KeyOut]


class Credentials(Request):
    email: Annotated[str, Field(max_length=254)]
    password: Password
    code: Annotated[str, Field(max_length=20)] | None = Field(
        None, description="Of the authenticator app, where there is one, or a recovery code."
    )


class NewPassword(Request):
    invitation: Annotated[str, Field(max_length=4000)]
    password: Password


class Code(Request):
    code: Annotated[str, Field(min_length=1, max_length=20)]


class PasswordChange(Request):
    current: Password
    new: Password


class RecoveryCodesOut(BaseModel):
    recovery_codes: list[str] | None = Field(description="Each stands in once for the authenticator app; shown this once.")


class SecondFactorOut(BaseModel):
    since: datetime | None = Field(description="Null: there is none.")
    recovery_codes_left: int


class EnrolmentOut(BaseModel):
    secret: str | None = Field(description="For the authenticator app, by hand; shown this once.")
    uri: str | None = Field(description="The same as a link, for a QR code.")


class WhoOut(BaseModel):
    """The caller, as the platform knows them."""

    kind: str
    role: str
    id: str
    reseller_id: UUID | None = Field(description="Whose staff the caller is; null for everybody else.")
    scopes: list[str]
    second_factor_missing: bool

    @classmethod
    def of(cls, actor: Actor) -> "WhoOut":
        missing = actor.session_id is not None and not actor.scopes
        return cls(
            kind=actor.kind,
            role=actor.role,
            id=actor.id,
            reseller_id=actor.reseller_id,
            scopes=sorted(actor.scopes),
            second_factor_missing=missing,
        )


class NewAccount(Request):
    kind: Kind
    role: Role
    email: Email
    name: Name
    reseller_id: UUID | None = Field(None, description="Whose staff this is; for the kind `reseller` only.")


class AccountOut(BaseModel):
    id: UUID
    kind: Kind
    role: Role
    email: str
    name: str
    reseller_id: UUID | None
    second_factor_since: datetime | None
    oidc_issuer: str | None = Field(description="The identity provider it is linked to, since somebody signed in there; null: to none.")
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, account: Account) -> "AccountOut":
        return cls(**{name: getattr(account, name) for name in cls.model_fields})


class InvitedAccount(AccountOut):
    invitation: str | None = Field(
        description="Pass it to them: with `POST /v1/session/password` it sets a password, once, within seven days. Shown this once."
    )

    @classmethod
    def show(cls, account: Account, invitation: str) -> "InvitedAccount":
        return cls(**AccountOut.of(account).model_dump(), invitation=invitation)


class AccountList(BaseModel):
    items: list[AccountOut]
    next: str | None


class NewGrant(Request):
    """Exactly one of the two."""

    account_id: UUID | None = None
    reseller_id: UUID | None = None

    @model_validator(mode="after")
    def _one(self) -> "NewGrant":
        if (self.account_id is None) == (self.reseller_id is None):
            raise ValueError("name an account or a reseller, not both")
        return self


class GrantOut(BaseModel):
    id: UUID
    account_id: UUID | None
    reseller_id: UUID | None
    granted_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, grant: TenantGrant) -> "GrantOut":
        return cls(**{name: getattr(grant, name) for name in cls.model_fields})


class GrantList(BaseModel):
    items: list[GrantOut]
