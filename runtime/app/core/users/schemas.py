"""Bodies and answers of `/api/v1/users`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from app.core.roles.schemas import RoleName

# Whether an address exists is shown by the mail that arrives; a library that judges its form costs every waking runtime its import.
Address = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$")]
FullName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Status = Literal["active", "disabled"]
Deliver = Literal["mail", "link"]


class Delivery(BaseModel):
    deliver: Deliver | None = None
    """`mail` sends the link, `link` answers it to be handed over; left out, it is mailed where mail is sent at all."""


class Invitation(Delivery):
    email: Address
    full_name: FullName = ""
    role: RoleName


class PersonChange(BaseModel):
    """What is left out stays as it is."""

    role: RoleName | None = None
    status: Status | None = None
    full_name: FullName | None = None


class LinkState(BaseModel):
    """The newest link that was made for somebody."""

    purpose: str
    expires_at: datetime
    used_at: datetime | None
    sent_at: datetime | None
    send_error: str | None


class PersonOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    full_name: str
    role: str
    status: str
    is_owner: bool
    has_password: bool
    has_second_factor: bool
    last_sign_in: datetime | None
    link: LinkState | None


class HandedLink(BaseModel):
    """A link that sets a password. `url` is null where it went by mail; it is shown once."""

    url: str | None
    expires_at: datetime
    mailed: bool


class InvitedOut(BaseModel):
    """`link` is null for somebody who has an account with a password already: they sign in with it."""

    person: PersonOut
    link: HandedLink | None
