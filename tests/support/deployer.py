"""A deployer that runs nothing: what it was told lies in a folder, so that workers in other processes see the same place.

It behaves as a runtime would: it proves the revision applied last, unless it is told to fail, to stay behind, or to be idle.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from control_plane.deployers.base import (
    Attestation,
    DatabaseAddress,
    DeployerUnavailable,
    Glimpse,
    Observation,
    ObservationStatus,
    Placement,
    RoleVerifiers,
    RuntimeRefused,
)
from dentalpin_kit.archives import ArchiveWriter

# Of the password "x"; nobody signs in with it.
VERIFIER = (
    "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$uxdRDgGpaywCjBPJLKs8cWdTLVxRk7mkcCjlcYXZ0Kk=:Dx25sMqPChJkgVtVoLJFP5VaZ/jE0RfX6pjWlqbfZvA="
)


_LONG_AGO, _FAR_AWAY = "2020-01-01T00:00:00+00:00", "2100-01-01T00:00:00+00:00"


class FakeDeployer:
    """`behaviour` is read at each call: {"fails": reason, "behind": true, "idle": true, "modules": {name: state}, "claimed": true}.

    `versions` and `release` are what it proves instead of what it was told; `when_release_is_not` narrows `fails` to other releases.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def told(self, tenant_id: UUID) -> dict[str, Any]:
        """What this tenant's place holds."""
        file = self.folder / f"{tenant_id}.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def _write(self, tenant_id: UUID, **changes: Any) -> None:
        self.folder.joinpath(f"{tenant_id}.json").write_text(json.dumps({**self.told(tenant_id), **changes}))

    def behave(self, tenant_id: UUID, **behaviour: Any) -> None:
        self._write(tenant_id, behaviour=behaviour)

    def log(self) -> list[list[str]]:
        """Every call that changed something: [tenant, what], oldest first."""
        file = self.folder / "log"
        return [line.split(" ", 1) for line in file.read_text().splitlines()] if file.exists() else []

    def _note(self, tenant_id: UUID, what: str) -> None:
        with self.folder.joinpath("log").open("a") as stream:
            stream.write(f"{tenant_id} {what}\n")

    async def ensure_secrets(self, tenant_id: UUID, serial: int = 0) -> RoleVerifiers:
        self._note(tenant_id, "secrets")
        self._write(tenant_id, secrets=True, serials=sorted({*self.told(tenant_id).get("serials", []), serial}))
        return RoleVerifiers(VERIFIER, VERIFIER)

    async def forget_secrets(self, tenant_id: UUID, *, keep: int) -> None:
        self._write(tenant_id, serials=[keep])

    async def apply(self, tenant: Placement, revision: dict[str, Any], database: DatabaseAddress) -> None:
        told = self.told(tenant.tenant_id)
        if told.get("revision", {}).get("generation", 0) > revision["generation"]:
            raise RuntimeRefused("older than what runs", answered=409, code="older_generation")
        assert database.serial in told.get("serials", []), "deployed before its secrets were made"
        if told.get("revision") != revision:
            self._note(tenant.tenant_id, f"apply {revision['generation']}")
        place = {"database": database.name, "serial": database.serial, "domains": list(tenant.domains)}
        self._write(tenant.tenant_id, revision=revision, before=told.get("revision"), **place)

    async def observe(self, tenant_id: UUID) -> Observation:
        told = self.told(tenant_id)
        behaviour = told.get("behaviour", {})
        if "away" in behaviour:
            raise DeployerUnavailable(behaviour["away"])
        if "revision" not in told:
            return Observation(ObservationStatus.ABSENT, reason="nothing was applied")
        generation = told["revision"]["generation"]
        if "fails" in behaviour and told["revision"]["release"]["id"] != behaviour.get("when_release_is_not"):
            proof = _proof(tenant_id, told["before"], {}) if told.get("before") else None
            return Observation(ObservationStatus.FAILED, proof, generation, behaviour["fails"])
        if behaviour.get("behind"):
            return Observation(ObservationStatus.STARTING, None, generation)
        if behaviour.get("idle"):
            return Observation(ObservationStatus.IDLE, None, generation)
        return Observation(ObservationStatus.ATTESTED, _proof(tenant_id, told["revision"], behaviour), generation)

    async def survey(self) -> Mapping[UUID, Glimpse]:
        seen = {UUID(file.stem): await self.observe(UUID(file.stem)) for file in self.folder.glob("*.json")}
        return {tenant_id: Glimpse(one.status, one.generation) for tenant_id, one in seen.items()}

    async def request(
        self, tenant_id: UUID, method: str, path: str, json: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        told = self.told(tenant_id)
        behaviour = told.get("behaviour", {})
        assert token, "the runtime takes signed requests only"
        if path.endswith("/attestation"):
            return {"data": _proof(tenant_id, told["revision"], behaviour).model_dump(mode="json")}
        if "/idle-slots" in path:
            # Nobody is ever in treatment here.
            return {"data": {"now": _LONG_AGO, "slots": [{"start": _LONG_AGO, "end": _FAR_AWAY}], "failed": []}}
        assert (method, path) == ("POST", "/api/v1/-/invitation")
        if behaviour.get("claimed"):
            raise RuntimeRefused("the owner has a password", answered=409, code="owner_claimed")
        self._note(tenant_id, f"invite {json}")
        self._write(tenant_id, invited=json)
        return {}

    async def control_channels(self) -> dict[UUID, str]:
        running = (file.stem for file in self.folder.glob("*.json"))
        return {UUID(tenant): "127.0.0.1:9" for tenant in running if not self.told(UUID(tenant)).get("behaviour", {}).get("idle")}

    async def files(self, tenant_id: UUID) -> AsyncGenerator[bytes, None]:
        yield self.told(tenant_id).get("files", f"files of {tenant_id}").encode()

    async def replace_files(self, tenant_id: UUID, content: AsyncIterable[bytes]) -> None:
        replaced = b"".join([piece async for piece in content]).decode()
        self._note(tenant_id, f"files {replaced}")
        self._write(tenant_id, files=replaced)

    async def export(self, tenant: Placement, file: Path) -> None:
        told = self.told(tenant.tenant_id)
        behaviour = told.get("behaviour", {})
        if "away" in behaviour:
            raise DeployerUnavailable(behaviour["away"])
        if "revision" not in told or "cannot_export" in behaviour:
            raise RuntimeRefused(behaviour.get("cannot_export", "nothing was applied"), answered=409, code="nothing_applied")
        self._note(tenant.tenant_id, "export")
        writer = ArchiveWriter(file)
        writer.add("data/patients/patients.jsonl", f"the patients of {tenant.tenant_id}\n".encode())
        writer.close({"tenant": {"id": str(tenant.tenant_id)}})

    async def stop(self, tenant_id: UUID) -> None:
        self._note(tenant_id, "stop")

    async def remove(self, tenant_id: UUID) -> None:
        self._note(tenant_id, "remove")
        self.folder.joinpath(f"{tenant_id}.json").unlink(missing_ok=True)

    async def address(self, tenant_id: UUID) -> str:
        return f"http://{tenant_id.hex[:8]}.clinics.example"


def _proof(tenant_id: UUID, revision: dict[str, Any], behaviour: dict[str, Any]) -> Attestation:
    states = behaviour.get("modules", {})
    modules = [
        {
            "name": module["name"],
            "version": behaviour.get("versions", {}).get(module["name"], module["version"]),
            "state": states.get(module["name"], "installed"),
            "mounted": True,
        }
        for module in revision["modules"]
    ]
    wrong = [{"name": name, "reason": f"migration failed: {state}"} for name, state in states.items() if state != "installed"]
    return Attestation.model_validate(
        {
            "tenant_id": tenant_id,
            "generation": revision["generation"],
            "identity": revision["digests"]["identity"],
            "effect": revision["digests"]["effect"],
            "core_version": revision["release"]["core_version"],
            "release_id": behaviour.get("release", revision["release"]["id"]),
            "healthy": behaviour.get("healthy", True),
            "modules": modules,
            "as_asked": not wrong,
            "not_as_asked": wrong,
            "owner_claimed": behaviour.get("claimed", False),
        }
    )
