"""Talking to a clinic's runtime about support access: pure about what an answer means, and one call that asks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ValidationError

from control_plane.deployers.base import Deployer, DeployerUnavailable, RuntimeRefused
from control_plane.support.states import SupportEvent, SupportState
from dentalpin_kit.tokens import SigningKey, sign

PATH: Final = "/api/v1/-/support"
TOKEN_FOR: Final = timedelta(seconds=60)
PASS_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it is put to the runtime; a value, so that nothing is locked while the runtime is asked."""

    id: UUID
    tenant_id: UUID
    state: SupportState
    operator: str
    operator_name: str
    why: str
    minutes: int
    expires_at: datetime


class Told(BaseModel):
    """The runtime's answer."""

    state: str
    decided_at: datetime | None = None
    decided_by: str | None = None
    note: str | None = None
    ends_at: datetime | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Away:
    """It cannot be asked for the moment."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be asked at all."""

    reason: str


MEANING: Final[dict[str, SupportEvent]] = {
    "requested": SupportEvent.DELIVERED,
    "active": SupportEvent.ACCEPTED,
    "declined": SupportEvent.DECLINED,
    "lapsed": SupportEvent.NOBODY_ANSWERED,
    "withdrawn": SupportEvent.ENDED_THERE,
    "ended": SupportEvent.TIME_OVER,
    "revoked": SupportEvent.REVOKED,
    "closed": SupportEvent.ENDED_THERE,
}
"""The runtime's states, and what each of them tells the platform."""


async def ask(deployer: Deployer, key: SigningKey, question: Question) -> Told | Away | Refused:
    """Bring the request to the runtime, end it there, or hear where it stands, by the state it is in here. Wakes a runtime that sleeps."""
    token = sign(key, audience=str(question.tenant_id), purpose="support", lifetime=TOKEN_FOR)
    path = f"{PATH}/{question.id}"
    try:
        if question.state is SupportState.CLOSING:
            body = await deployer.request(question.tenant_id, "DELETE", path, token=token)
        elif question.state is SupportState.SENDING:
            body = await deployer.request(question.tenant_id, "PUT", path, _body(question), token=token)
        else:
            body = await deployer.request(question.tenant_id, "GET", path, token=token)
        told = Told.model_validate(body.get("data"))
    except RuntimeRefused as refusal:
        return Refused(f"The clinic's runtime cannot be asked ({refusal.message}). A newer release of it can; or ask the clinic by mail.")
    except DeployerUnavailable as away:
        return Away(away.message)
    except ValidationError as error:
        return Away(f"The runtime's answer cannot be read: {error.errors()[0]['msg']}.")
    return told if told.state in MEANING else Away(f"The runtime answers a state nobody knows: {told.state}.")


def make_pass(key: SigningKey, *, tenant_id: UUID, request_id: UUID, operator: str) -> str:
    """What the person shows at the clinic's runtime, once."""
    claims = {"access": str(request_id)}
    return sign(key, audience=str(tenant_id), purpose="support-pass", lifetime=PASS_FOR, subject=operator, claims=claims)


def _body(question: Question) -> dict[str, Any]:
    return {
        "operator": question.operator,
        "operator_name": question.operator_name,
        "reason": question.why,
        "minutes": question.minutes,
        "expires_at": question.expires_at.isoformat(),
    }
