"""The deployer for one machine: writes a tenant's folder, then tells the supervisor what should run.

`<data>/tenants/<tenant id>/`: revision.json, secrets/, storage/, runtime.log, console.log, placement.json (the supervisor's).
"""

import hashlib
import json as jsonlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from pydantic import ValidationError

from control_plane.config import Settings
from control_plane.deployers.base import (
    Attestation,
    DatabaseAddress,
    DeployerUnavailable,
    Glimpse,
    Observation,
    ObservationStatus,
    Placement,
    Rehearsal,
    RoleVerifiers,
    RuntimeRefused,
)
from control_plane.deployers.local.environment import REVISION
from control_plane.deployers.local.exporting import write_export
from control_plane.deployers.local.files import packed, unpack
from control_plane.deployers.local.placement import FILE as PLACEMENT
from control_plane.deployers.local.placement import write_private
from control_plane.deployers.local.rehearsing import rehearse
from control_plane.deployers.local.secrets import ensure_secrets, forget_secrets, write_addresses
from control_plane.deployers.local.settings import announcement
from dentalpin_kit.tokens import SigningKey, sign

SUPERVISOR_SECONDS = 150.0
"""Stopping a tenant and waking one take their time; the supervisor answers everything else at once."""
WAKE_SECONDS = 60.0
RUNTIME_SECONDS = 30.0
TOKEN_LIFETIME = timedelta(seconds=60)
ATTESTATION = "/api/v1/modules/-/attestation"


class LocalDeployer:
    def __init__(self, settings: Settings, key: SigningKey) -> None:
        self._data = settings.data.absolute()
        self._usual = settings.environment.absolute()
        self._bindir = settings.pg_bindir
        self._key = key

    def folder(self, tenant_id: UUID) -> Path:
        return self._data / "tenants" / str(tenant_id)

    async def ensure_secrets(self, tenant_id: UUID, serial: int = 0) -> RoleVerifiers:
        return ensure_secrets(self.folder(tenant_id), serial)

    async def forget_secrets(self, tenant_id: UUID, *, keep: int) -> None:
        forget_secrets(self.folder(tenant_id), keep=keep)

    async def apply(self, tenant: Placement, revision: dict[str, Any], database: DatabaseAddress) -> None:
        folder = self.folder(tenant.tenant_id)
        environment = self._environment(tenant)
        applied = _read(folder / REVISION)
        if applied is not None and applied["generation"] > revision["generation"]:
            raise RuntimeRefused(
                f"Generation {applied['generation']} was applied to {tenant.slug} already, {revision['generation']} is older. "
                f"Make a new revision to go back to an earlier module set.",
                answered=409,
                code="older_generation",
            )
        try:
            write_addresses(folder, database)
        except FileNotFoundError as error:
            raise RuntimeRefused(
                f"The database passwords of {tenant.slug} are not on this machine. If what it had here was lost, restore its newest "
                "backup; if the platform's database was put back to an earlier moment, make them anew.",
                answered=409,
                code="secrets_missing",
            ) from error
        if applied != revision:
            write_private(folder / REVISION, jsonlib.dumps(revision, ensure_ascii=False, indent=1))
        spec = {"slug": tenant.slug, "name": tenant.name, "digest": _digest(revision, database)}
        if environment is not None:
            spec["environment"] = str(environment)
        await self._supervisor("PUT", tenant.tenant_id, json=spec)

    def _environment(self, tenant: Placement) -> Path | None:
        """The environment to name to the supervisor; None for its own. Raises RuntimeRefused where there is none to start."""
        if tenant.environment is None or Path(tenant.environment) == self._usual:
            return None
        environment = Path(tenant.environment)
        if not (environment / "bin" / "dentalpin").exists():
            raise RuntimeRefused(
                f"{environment} holds no bin/dentalpin, and {tenant.slug} is to run the release that was registered from there. "
                "Put the environment back, or register the release from another folder, then retry.",
                answered=409,
                code="environment_missing",
            )
        return environment

    async def would_restart(self, tenant_id: UUID, database: DatabaseAddress) -> bool:
        folder = self.folder(tenant_id)
        applied, placed = _read(folder / REVISION), _read(folder / PLACEMENT)
        return applied is not None and placed is not None and placed["digest"] != _digest(applied, database)

    async def rehearse(self, tenant: Placement, database: DatabaseAddress) -> Rehearsal:
        environment = self._environment(tenant) or self._usual
        return await rehearse(self.folder(tenant.tenant_id), environment / "bin" / "dentalpin", database)

    async def observe(self, tenant_id: UUID) -> Observation:
        shown = await self._show(tenant_id)
        if shown is None or shown["state"] in ("stopped", "stopping"):
            return Observation(ObservationStatus.ABSENT, reason=None if shown is None else "the tenant is stopped")
        applied = _read(self.folder(tenant_id) / REVISION)
        generation = applied["generation"] if applied else None
        attestation = await self._attestation(tenant_id, shown)
        if shown["failures"] and not shown["as_asked"]:
            return Observation(ObservationStatus.FAILED, attestation, generation, _reason(shown))
        if attestation is not None:
            return Observation(ObservationStatus.ATTESTED, attestation, generation)
        if shown["state"] == "idle":
            return Observation(ObservationStatus.IDLE, None, generation)
        return Observation(ObservationStatus.STARTING, None, generation)

    async def survey(self) -> Mapping[UUID, Glimpse]:
        return {UUID(shown["id"]): _glimpse(shown) for shown in await self._listed()}

    async def request(
        self, tenant_id: UUID, method: str, path: str, json: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        for _ in range(2):
            shown = await self._awake(tenant_id)
            try:
                return await _ask(shown["control"], method, path, json, token)
            except httpx2.ConnectError:
                # The process that was shown has just handed over; nothing was sent, so the next one may be asked.
                continue
        raise DeployerUnavailable(f"The runtime of tenant {tenant_id} is changing over; ask again.", tenant_id=str(tenant_id))

    async def control_channels(self) -> dict[UUID, str]:
        return {UUID(shown["id"]): shown["control"].removeprefix("http://") for shown in await self._listed() if shown["control"]}

    async def _listed(self) -> list[dict[str, Any]]:
        """Every tenant the supervisor keeps, as it shows them."""
        answer = await self._ask_supervisor("GET", "/tenants")
        if answer.status_code != 200:
            raise DeployerUnavailable(f"The supervisor answered {answer.status_code}: {answer.text[:300]}")
        listed: list[dict[str, Any]] = answer.json()
        return listed

    def files(self, tenant_id: UUID) -> AsyncGenerator[bytes, None]:
        return packed(self.folder(tenant_id))

    async def replace_files(self, tenant_id: UUID, content: AsyncIterable[bytes]) -> None:
        await unpack(self.folder(tenant_id), content)

    async def export(self, tenant: Placement, file: Path) -> None:
        folder = self.folder(tenant.tenant_id)
        if not (folder / REVISION).exists():
            raise RuntimeRefused(f"Nothing of {tenant.slug} was ever set up here.", answered=409, code="nothing_applied")
        program = (self._environment(tenant) or self._usual) / "bin" / "dentalpin"
        await write_export(folder, program, file, bindir=self._bindir)

    async def stop(self, tenant_id: UUID) -> None:
        await self._supervisor("POST", tenant_id, "/stop", json={})

    async def remove(self, tenant_id: UUID) -> None:
        await self._supervisor("DELETE", tenant_id)
        folder = self.folder(tenant_id)
        if folder.exists():
            shutil.rmtree(folder)

    async def address(self, tenant_id: UUID) -> str:
        shown = await self._show(tenant_id)
        if shown is None:
            raise DeployerUnavailable(f"Tenant {tenant_id} has no address yet: nothing was applied.", tenant_id=str(tenant_id))
        return str(shown["url"])

    async def restart(self, tenant_id: UUID) -> None:
        """Hand over to a process started now, with the same revision."""
        await self._supervisor("POST", tenant_id, "/restart", json={})

    async def _awake(self, tenant_id: UUID) -> dict[str, Any]:
        shown = await self._show(tenant_id)
        if shown is not None and shown["control"] is None:
            shown = await self._supervisor("POST", tenant_id, "/wake", json={"seconds": WAKE_SECONDS})
        if shown is None:
            raise DeployerUnavailable(f"Tenant {tenant_id} runs nowhere: nothing was applied.", tenant_id=str(tenant_id))
        if shown["control"] is None:
            raise DeployerUnavailable(f"The runtime of {shown['slug']} does not start: {_reason(shown)}", tenant_id=str(tenant_id))
        return shown

    async def _attestation(self, tenant_id: UUID, shown: dict[str, Any]) -> Attestation | None:
        """What the serving process says; None when there is none, or it leaves just now."""
        if shown["control"] is None:
            return None
        token = sign(self._key, audience=str(tenant_id), purpose="attest", lifetime=TOKEN_LIFETIME)
        try:
            answer = await _ask(shown["control"], "GET", ATTESTATION, None, token)
        except httpx2.ConnectError:
            return None
        try:
            return Attestation.model_validate(answer.get("data"))
        except ValidationError as error:
            raise DeployerUnavailable(f"The runtime of {shown['slug']} attested something unreadable: {error}") from error

    async def _show(self, tenant_id: UUID) -> dict[str, Any] | None:
        return await self._supervisor("GET", tenant_id)

    async def _supervisor(
        self, method: str, tenant_id: UUID, action: str = "", *, json: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        """The supervisor's answer; None when it knows no such tenant. Raises DeployerUnavailable."""
        answer = await self._ask_supervisor(method, f"/tenants/{tenant_id}{action}", json)
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise DeployerUnavailable(f"The supervisor answered {answer.status_code}: {answer.text[:300]}")
        shown: dict[str, Any] = answer.json()
        return shown

    async def _ask_supervisor(self, method: str, path: str, json: dict[str, Any] | None = None) -> httpx2.Response:
        found = _read(announcement(self._data))
        if found is None:
            raise DeployerUnavailable(f"No supervisor runs on {self._data}; start the platform (./dev up).")
        headers = {"Authorization": f"Bearer {found['token']}"}
        try:
            async with httpx2.AsyncClient(timeout=SUPERVISOR_SECONDS) as client:
                return await client.request(method, f"{found['url']}{path}", headers=headers, json=json)
        except httpx2.HTTPError as error:
            raise DeployerUnavailable(f"The supervisor does not answer ({error!r}); it is started again by itself.") from error


async def _ask(control: str, method: str, path: str, json: dict[str, Any] | None, token: str | None) -> dict[str, Any]:
    """One request over the control channel. ConnectError passes: the process has left, and nothing was sent."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with httpx2.AsyncClient(timeout=RUNTIME_SECONDS) as client:
            answer = await client.request(method, control + path, headers=headers, json=json)
    except httpx2.ConnectError:
        raise
    except httpx2.HTTPError as error:
        raise DeployerUnavailable(f"The runtime did not answer {method} {path} ({error!r}); ask again.") from error
    if answer.is_success:
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body
    message, code = _refusal(answer)
    if answer.is_client_error:
        raise RuntimeRefused(message, answered=answer.status_code, code=code)
    raise DeployerUnavailable(f"The runtime answered {answer.status_code} to {method} {path}: {message}")


def _refusal(answer: httpx2.Response) -> tuple[str, str | None]:
    try:
        body = answer.json()
        errors = body.get("errors") or [{}]
        return str(body.get("message") or answer.reason_phrase), errors[0].get("code")
    except (ValueError, AttributeError, KeyError, IndexError):
        return answer.text[:300] or answer.reason_phrase, None


def _reason(shown: dict[str, Any]) -> str:
    failure = shown["last_failure"]
    return f"{failure['reason']} ({failure['code']})" if failure else "it has not become ready in time"


def _glimpse(shown: dict[str, Any]) -> Glimpse:
    """As `observe` would say it, without asking the runtime."""
    generation = int(shown["digest"].partition("-")[0]) if shown["digest"] else None
    if shown["state"] in ("stopped", "stopping"):
        return Glimpse(ObservationStatus.ABSENT)
    if shown["failures"] and not shown["as_asked"]:
        return Glimpse(ObservationStatus.FAILED, generation)
    if shown["control"] is not None:
        return Glimpse(ObservationStatus.ATTESTED, generation)
    return Glimpse(ObservationStatus.IDLE if shown["state"] == "idle" else ObservationStatus.STARTING, generation)


def _digest(revision: dict[str, Any], database: DatabaseAddress) -> str:
    """What makes another process necessary: another revision, or a database that moved."""
    text = jsonlib.dumps([revision, database.host, database.port, database.name, database.owner_role, database.app_role], sort_keys=True)
    return f"{revision['generation']}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = jsonlib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found
