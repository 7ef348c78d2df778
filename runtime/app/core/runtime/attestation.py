"""What a runtime proves about itself to its platform: the generation it acts on, what is installed, and what is not as asked.

The worker decides from it alone whether an operation is done, so it says what this very process serves, not what a table promises.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.runtime.fingerprint import core_version
from app.core.runtime.locks import AdoptedRevision
from app.core.runtime.process import ServingProcess
from dentalpin_kit.logs import scrub

SCHEMA: Final = 1
OPERATIONS: Final = 20
# A disabled module is installed: its tables and data are there, people chose not to see it.
_AS_INSTALLED: Final = frozenset({"installed", "disabled"})


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class AttestedModule(_Value):
    name: str
    version: str | None
    state: str
    heads: list[str]
    mounted: bool
    error: str | None


class NotAsAsked(_Value):
    name: str
    reason: str


class AttestedOperation(_Value):
    id: int
    module: str
    operation: str
    step: str
    status: str
    attempt: int
    generation: int | None
    created_at: datetime
    details: dict[str, Any]


class Attestation(_Value):
    schema_version: Literal[1] = Field(SCHEMA, alias="schema", serialization_alias="schema")
    tenant_id: str
    generation: int
    identity: str
    effect: str
    core_version: str
    release_id: str | None
    heads: list[str]
    """Every head of the database, the core's among them: a release that does not know one of them cannot take it over."""
    healthy: bool
    pid: int
    started_at: datetime
    modules: list[AttestedModule]
    as_asked: bool
    not_as_asked: list[NotAsAsked]
    operations: list[AttestedOperation]
    owner_claimed: bool
    mode: str
    usage: dict[str, int] | None = None
    """What of the plan is in use: clinics, users, storage_bytes."""


@dataclass(frozen=True)
class ModuleRow:
    """What the books say of one module."""

    name: str
    version: str | None
    state: str
    head: str | None
    by_generation: int | None
    error: str | None


def json_schema() -> dict[str, Any]:
    """The attestation's JSON Schema, as the release's catalogue carries it."""
    return Attestation.model_json_schema(by_alias=True, mode="serialization")


def differences(revision: Mapping[str, Any], rows: Iterable[ModuleRow], mounted: frozenset[str]) -> list[NotAsAsked]:
    """Each module that is not as the revision asks, with a reason a person can act on. Pure."""
    known = {row.name: row for row in rows}
    asked = {str(module["name"]): str(module["version"]) for module in revision["modules"]}
    found = [
        NotAsAsked(name=name, reason=reason) for name, version in asked.items() if (reason := _lacks(known.get(name), version, mounted))
    ]
    # Only what came by a revision is removed by its silence.
    leftover = [row for row in known.values() if row.name not in asked and row.by_generation is not None and row.state != "uninstalled"]
    return found + [NotAsAsked(name=row.name, reason=row.error or "it is still to be removed") for row in leftover]


def _lacks(row: ModuleRow | None, version: str, mounted: frozenset[str]) -> str | None:
    if row is None:
        return "its package is not in this release"
    if row.state not in _AS_INSTALLED:
        return row.error or f"it is {row.state}"
    if row.version != version:
        return row.error or f"version {row.version} is installed, {version} was asked for"
    if row.state == "installed" and row.name not in mounted:
        return "it is installed, and this process does not serve it yet"
    return None


async def attest(
    session: AsyncSession, serving: ServingProcess, revision: AdoptedRevision, usage: dict[str, int] | None = None
) -> Attestation:
    """The attestation of this process, as of this transaction."""
    rows = [ModuleRow(*row) for row in await session.execute(_MODULES)]
    mounted = serving.mounted
    missing = differences(revision.document, rows, mounted)
    modules = [
        AttestedModule(
            name=row.name,
            version=row.version,
            state=row.state,
            heads=[row.head] if row.head and row.state != "uninstalled" else [],
            mounted=row.name in mounted,
            error=scrub(row.error) if row.error else None,
        )
        for row in rows
    ]
    installed = {row.name for row in rows if row.state == "installed"}
    mountable = {row.name for row in rows if row.state in _AS_INSTALLED}
    return Attestation(
        tenant_id=revision.document["tenant"]["id"],
        generation=revision.generation,
        identity=revision.identity,
        effect=revision.effect,
        core_version=core_version(),
        release_id=serving.release_id,
        heads=list(await session.scalars(_HEADS)),
        healthy=serving.serves and installed <= mounted <= mountable,
        pid=serving.pid,
        started_at=serving.started_at,
        modules=modules,
        as_asked=not missing,
        not_as_asked=[NotAsAsked(name=item.name, reason=scrub(item.reason)) for item in missing],
        operations=[_operation(row) for row in await session.execute(_OPERATIONS, {"last": OPERATIONS})],
        owner_claimed=bool(await session.scalar(_OWNER_CLAIMED)),
        mode=revision.document.get("mode", "normal"),
        usage=usage,
    )


def _operation(row: Any) -> AttestedOperation:
    values = dict(row._mapping)
    return AttestedOperation(**{**values, "details": json.loads(scrub(json.dumps(values["details"])))})


_MODULES: Final = text("SELECT name, version, state, applied_revision, by_generation, error_message FROM core_module ORDER BY name")
_OPERATIONS: Final = text(
    "SELECT id, module_name AS module, operation, step, status, attempt, generation, created_at, details "
    "FROM core_module_operation_log ORDER BY id DESC LIMIT :last"
)
_HEADS: Final = text("SELECT version_num FROM alembic_version ORDER BY version_num")
_OWNER_CLAIMED: Final = text("SELECT EXISTS (SELECT FROM users WHERE is_owner AND password_hash IS NOT NULL)")
