"""Clusters as the API takes and shows them. A kubeconfig goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from control_plane.clusters.models import ClusterRow
from control_plane.databases.schemas import Region
from control_plane.deployers.kubernetes.facts import ClusterFacts

_FILES: Final = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})


def _kubeconfig(given: SecretStr | None) -> SecretStr | None:
    if given is None:
        return None
    try:
        found = yaml.safe_load(given.get_secret_value())
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict) or not {"clusters", "users", "contexts", "current-context"} <= set(found):
        # The value holds a token or a key: it is not repeated.
        raise ValueError("must be a kubeconfig with clusters, users, contexts and a current-context")
    if any(set(one.get("user") or {}) & {"exec", "auth-provider"} for one in found["users"]):
        raise ValueError("must hold a token or a client certificate; programs are not started for it (`kubectl create token` makes one)")
    held = [one.get(part) or {} for part, ones in (("cluster", found["clusters"]), ("user", found["users"])) for one in ones]
    if named := sorted({name for one in held for name in _FILES & set(one)}):
        raise ValueError(
            f"must hold what it names: {', '.join(named)} would be read from the platform's own disk (`--embed-certs`, or `…-data`)"
        )
    return given


class NewCluster(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
    region: Region
    """Where it stands, in the words of the packs: clinics run where their data lies."""
    capacity: Annotated[int, Field(ge=1, le=100_000)] = 500
    facts: ClusterFacts
    kubeconfig: Annotated[SecretStr | None, Field(max_length=65_536)] = None
    """As YAML; absent: the cluster the platform itself runs in, by its service account."""

    _checked = field_validator("kubeconfig")(_kubeconfig)


class ClusterChange(BaseModel):
    """What is given is changed. The region stays: clinics do not move by being renamed."""

    model_config = ConfigDict(extra="forbid")

    capacity: Annotated[int, Field(ge=1, le=100_000)] | None = None
    accepting: bool | None = None
    facts: ClusterFacts | None = None
    kubeconfig: Annotated[SecretStr | None, Field(max_length=65_536)] = None

    _checked = field_validator("kubeconfig")(_kubeconfig)


class ClusterOut(BaseModel):
    name: str
    region: str
    capacity: int
    clinics: int
    accepting: bool
    facts: dict[str, Any]
    own: bool
    """The platform runs in it itself, and asks it by its service account."""
    created_at: datetime

    @classmethod
    def of(cls, row: ClusterRow, clinics: int) -> "ClusterOut":
        return cls(
            name=row.name,
            region=row.region,
            capacity=row.capacity,
            clinics=clinics,
            accepting=row.accepting,
            facts=row.facts,
            own=row.sealed_kubeconfig is None,
            created_at=row.created_at,
        )


class ClusterList(BaseModel):
    items: list[ClusterOut]
