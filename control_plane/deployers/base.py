"""What the worker asks of a deployer. The worker decides when and repeats at will; a deployer carries out and reports what it sees.

Every method may be called again after a crash at any point and then finishes what was begun. A deployer stores nothing the
control plane relies on: truth is in PostgreSQL. Failures that may pass are `DeployerUnavailable`; what a runtime or its place
refuses for good is `RuntimeRefused`. Either message is shown to a person.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from dentalpin_kit.problems import DomainError, TemporaryError

IMAGE: Final = "oci://"
"""Before an image where another environment is a folder."""


class DeployerUnavailable(TemporaryError):
    """The place or the runtime does not answer at the moment; the same call may succeed later."""

    code: ClassVar[str] = "deployer_unavailable"


class RuntimeRefused(DomainError):
    """The runtime answered a request with a 4xx: repeating it changes nothing."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "runtime_refused"

    def __init__(self, message: str, *, answered: int, code: str | None = None) -> None:
        super().__init__(message, answered=answered, runtime_code=code)
        self.answered = answered
        """The runtime's HTTP status."""
        self.runtime_code = code


@dataclass(frozen=True, slots=True)
class RoleVerifiers:
    """SCRAM-SHA-256 verifiers (as PostgreSQL stores them) of a tenant's two roles; the passwords never leave the deployer."""

    owner: str = field(repr=False)
    app: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the tenant's database answers and as whom; the passwords are the deployer's, made by `ensure_secrets`."""

    host: str
    port: int
    name: str
    owner_role: str
    app_role: str
    serial: int = 0
    """Which of the tenant's passwords these roles sign in with: 0 the first ones, one more with each rotation."""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """What a module reaches outside the clinic; everything else stays shut where the place can shut it."""

    to: str
    """`internet`, or a network (`192.0.2.0/24`)."""
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Placement:
    """Which tenant is carried out. Folders, namespaces and units are named by `tenant_id`; slug and name are for people only."""

    tenant_id: UUID
    slug: str
    name: str
    environment: str | None = None
    """Where the revision's release is: the folder of its environment, or its image (`oci://registry/name@sha256:…`); the deployer's
    own where nothing is said."""
    domains: tuple[str, ...] = ()
    """Host names of the clinic's own, where the place gives it any."""
    needs: tuple[Need, ...] = ()
    """What the revision's modules declare that they reach."""


class AttestedModule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    version: str | None = None
    state: str
    heads: list[str] = []
    mounted: bool = False
    error: str | None = None


class NotAsAsked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    reason: str


class Attestation(BaseModel):
    """What a runtime proves about itself (GET {control}/api/v1/modules/-/attestation, the value of `data`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant_id: UUID
    generation: int
    identity: str
    effect: str
    core_version: str
    release_id: str | None = None
    heads: list[str] = []
    healthy: bool
    pid: int | None = None
    started_at: datetime | None = None
    modules: list[AttestedModule] = []
    as_asked: bool = False
    not_as_asked: list[NotAsAsked] = []
    operations: list[dict[str, Any]] = []
    owner_claimed: bool = False
    mode: str = "normal"
    usage: dict[str, int] | None = None
    """What of the plan is in use: clinics, users, storage_bytes."""


class ObservationStatus(StrEnum):
    ATTESTED = "attested"
    """A process serves and answered; `attestation` is its own words."""
    IDLE = "idle"
    """Nothing runs and nothing needs to: the next connection wakes it. `generation` is the revision it would start with."""
    STARTING = "starting"
    """A process is on its way; ask again."""
    FAILED = "failed"
    """Starting fails; `reason` says why, in words a person can act on."""
    ABSENT = "absent"
    """Nothing was ever applied here, or it was removed."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the deployer sees of one tenant now. Never a memory of an older process: an attestation comes from the serving one."""

    status: ObservationStatus
    attestation: Attestation | None = None
    generation: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a release did to a copy of a tenant's data."""

    ok: bool
    seconds: float
    modules: tuple[dict[str, Any], ...] = ()
    """Each module something was done to, with its outcome and the reason of a failure."""
    problem: str | None = None


@runtime_checkable
class Rehearses(Protocol):
    """A deployer that can run a release's pending processor on a copy."""

    async def rehearse(self, tenant: Placement, database: DatabaseAddress) -> Rehearsal:
        """Bring the copy at `database` to the release at `tenant.environment`. Nothing serves, nothing is sent, nothing of it stays."""
        ...


@runtime_checkable
class Renders(Protocol):
    """A deployer that can say beforehand whether it would start another process."""

    async def would_restart(self, tenant_id: UUID, database: DatabaseAddress) -> bool:
        """Whether applying once more what was applied last would. Starts nothing; nothing applied → False."""
        ...


@runtime_checkable
class MakesRoom(Protocol):
    """A deployer where files need a place before anything was applied."""

    async def make_room(self, tenant: Placement, revision: dict[str, Any], database: DatabaseAddress) -> None:
        """Everything `apply` makes but what runs: `replace_files` finds room then. Applied before → nothing."""
        ...


@runtime_checkable
class Closes(Protocol):
    """A deployer that keeps connections open."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the deployer itself knows of one tenant without asking its runtime: `ATTESTED` here means that a process serves."""

    status: ObservationStatus
    generation: int | None = None
    """Of the revision it runs or would start with."""


class Deployer(Protocol):
    """Built by `LocalDeployer(settings, key)` (control_plane.config.Settings, dentalpin_kit.tokens.SigningKey)."""

    async def ensure_secrets(self, tenant_id: UUID, serial: int = 0) -> RoleVerifiers:
        """Make both roles' passwords of this serial (and the runtime's keys) unless they exist; always the same ones afterwards."""
        ...

    async def forget_secrets(self, tenant_id: UUID, *, keep: int) -> None:
        """Forget the passwords of every other serial than `keep`, which is the one applied last."""
        ...

    async def apply(self, tenant: Placement, revision: dict[str, Any], database: DatabaseAddress) -> None:
        """Make this revision the one that runs: write it down and (re)start.

        Returns once that is under way; `observe` tells the outcome. The same generation and database address as applied before →
        nothing, also when the runtime is idle. An older generation than applied → RuntimeRefused. Called for every tenant when a
        worker starts, since addresses may have changed meanwhile.
        """
        ...

    async def observe(self, tenant_id: UUID) -> Observation:
        """What is there now. Wakes nobody. Raises DeployerUnavailable when the place itself does not answer."""
        ...

    async def survey(self) -> Mapping[UUID, Glimpse]:
        """A glimpse of every tenant that is here, at once and by the deployer's own knowledge; absent ones may be left out.

        Asks no runtime and wakes nobody: cheap for thousands. Raises DeployerUnavailable.
        """
        ...

    async def request(
        self, tenant_id: UUID, method: str, path: str, json: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        """Ask the serving process over its control channel, waking it if it is idle; the JSON body of its 2xx answer ({} when empty).

        `token` goes as bearer. Raises RuntimeRefused for 4xx, DeployerUnavailable for everything else.
        """
        ...

    async def control_channels(self) -> dict[UUID, str]:
        """host:port of the control channel of every runtime that serves now. Wakes nobody. Raises DeployerUnavailable."""
        ...

    def files(self, tenant_id: UUID) -> AsyncGenerator[bytes, None]:
        """What the tenant keeps here outside its database, as a tar: the runtime's storage, and the key that seals what it reads again.

        Wakes nobody. Raises DeployerUnavailable where it changed while it was read.
        """
        ...

    async def replace_files(self, tenant_id: UUID, content: AsyncIterable[bytes]) -> None:
        """Put such a tar in the place of what is there, whole or not at all. Nothing of the tenant may run meanwhile."""
        ...

    async def export(self, tenant: Placement, file: Path) -> None:
        """Let the tenant's release write its export archive (dentalpin_kit.archives) to `file`, which must not exist.

        The clinic may be at work or stopped. Raises RuntimeRefused where it cannot export as it is, DeployerUnavailable where it may later.
        """
        ...

    async def stop(self, tenant_id: UUID) -> None:
        """Stop serving and close the listening socket; returns when no process of the tenant is left. Nothing to stop → nothing."""
        ...

    async def remove(self, tenant_id: UUID) -> None:
        """Delete what the tenant left in this place, secrets included. Nothing left → nothing."""
        ...

    async def address(self, tenant_id: UUID) -> str:
        """The public URL under which the clinic opens its runtime; the same one for its whole life where the place allows."""
        ...
