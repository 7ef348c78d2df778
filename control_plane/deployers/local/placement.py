"""What should run for one tenant, kept in its folder so that a supervisor that was killed goes on where it was."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

FILE = "placement.json"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Goal(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


class BadSpec(Exception):
    """What the supervisor was asked to run makes no sense; the message says which field."""


@dataclass(frozen=True, slots=True)
class Placement:
    tenant_id: str
    slug: str
    name: str
    digest: str
    """Identifies what should run; another digest means another process."""
    port: int
    goal: Goal = Goal.RUNNING
    settled: str | None = None
    """The digest that last became ready; anything else is started without waiting for a connection."""
    resting: bool = False
    """The process left because it was idle."""
    wake_at: datetime | None = None
    environment: str | None = None
    """The environment to start it in; the supervisor's own where nothing is said."""

    def asked(self, spec: "Spec") -> Self:
        return replace(self, slug=spec.slug, name=spec.name, digest=spec.digest, environment=spec.environment, goal=Goal.RUNNING)


@dataclass(frozen=True, slots=True)
class Spec:
    """The body of PUT /tenants/{id}."""

    slug: str
    name: str
    digest: str
    environment: str | None = None

    @classmethod
    def parse(cls, body: Any) -> Self:
        """Raises BadSpec."""
        if not isinstance(body, dict):
            raise BadSpec("the body must be an object with slug, name and digest, and environment where it is not the usual one")
        for field in ("slug", "name", "digest"):
            if not isinstance(body.get(field), str) or not body[field]:
                raise BadSpec(f"{field} must be a text that is not empty")
        environment = body.get("environment")
        if environment is not None and not (isinstance(environment, str) and Path(environment).is_absolute()):
            raise BadSpec("environment must be the absolute path of a folder, or left out")
        return cls(body["slug"], body["name"], body["digest"], environment)


def check_tenant_id(text: str) -> str:
    """The id as it may name a folder. Raises BadSpec."""
    if not _ID.fullmatch(text):
        raise BadSpec(f"{text!r} is not a tenant id (a UUID in lower case)")
    return text


class PlacementStore:
    """`<data>/tenants/<id>/placement.json` of every tenant."""

    def __init__(self, tenants: Path) -> None:
        self.tenants = tenants

    def folder(self, tenant_id: str) -> Path:
        return self.tenants / tenant_id

    def load(self) -> Iterator[Placement]:
        for file in sorted(self.tenants.glob(f"*/{FILE}")):
            stored = json.loads(file.read_text(encoding="utf-8"))
            wake_at = stored.get("wake_at")
            yield Placement(
                **stored | {"goal": Goal(stored["goal"]), "wake_at": datetime.fromisoformat(wake_at) if wake_at else None},
            )

    def save(self, placement: Placement) -> None:
        stored = asdict(placement) | {"wake_at": placement.wake_at.isoformat() if placement.wake_at else None}
        folder = self.folder(placement.tenant_id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / FILE, json.dumps(stored, indent=1))

    def forget(self, tenant_id: str) -> None:
        (self.folder(tenant_id) / FILE).unlink(missing_ok=True)


def write_private(file: Path, text: str) -> None:
    """Replace a file's content as a whole, readable by its owner only; a kill leaves the old content or the new."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    draft.rename(file)
