"""Domains as the API takes and shows them."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from control_plane.deployers.kubernetes.facts import Host
from control_plane.domains.models import TenantDomain
from control_plane.domains.states import DomainState

_HOST: TypeAdapter[str] = TypeAdapter(Host)


def written(name: str) -> str:
    """As the domain name system has it: `Cita.Clínica.es.` → `cita.xn--clnica-4va.es`."""
    try:
        return _HOST.validate_python(name.strip().rstrip(".").lower().encode("idna").decode())
    except ValueError:
        raise ValueError("must be a host name with a dot, like cita.clinic.example; no wildcards, addresses or ports") from None


class NewDomain(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=253), AfterValidator(written)]


class DomainOut(BaseModel):
    name: str
    state: DomainState
    reason: str | None
    """What was found instead of a proof."""
    record: str
    """The text record to write,"""
    proof: str
    """and what it has to say."""
    points_to: str | None
    """Where the name's CNAME should lead; null until the clinic has an address."""
    deadline: datetime | None
    created_at: datetime
    verified_at: datetime | None

    @classmethod
    def of(cls, domain: TenantDomain, host: str | None) -> "DomainOut":
        return cls(
            name=domain.name,
            state=domain.state,
            reason=domain.reason,
            record=domain.record,
            proof=domain.proof,
            points_to=host,
            deadline=domain.deadline,
            created_at=domain.created_at,
            verified_at=domain.verified_at,
        )


class DomainList(BaseModel):
    items: list[DomainOut]
