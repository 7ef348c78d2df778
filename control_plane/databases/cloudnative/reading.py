"""What the operator says of a server or a database, as a verdict and a reason a person can act on. Pure."""

from dataclasses import dataclass
from typing import Final

from control_plane.databases.cloudnative.manifests import ADMIN, Object

_SILENT: Final = (
    "CloudNativePG has said nothing of it yet. If that lasts, look whether the operator runs in the cluster and watches this namespace."
)


@dataclass(frozen=True, slots=True)
class Condition:
    ready: bool
    reason: str


def condition_of_server(found: Object | None) -> Condition:
    """Of a `Cluster`: ready once it says so and the administrator's role is as declared."""
    if found is None:
        return Condition(False, "The Cluster resource is not there: register the server again, or restore the resource.")
    if "deletionTimestamp" in found["metadata"]:
        return Condition(False, "The Cluster resource is being deleted.")
    status = found.get("status") or {}
    ready = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), None)
    if ready is None:
        return Condition(False, _phase(status) or _SILENT)
    if ready.get("status") != "True":
        return Condition(False, _phase(status) or f"{ready.get('reason', 'Not ready')}: {ready.get('message', '')}".strip())
    roles = status.get("managedRolesStatus") or {}
    if problems := (roles.get("cannotReconcile") or {}).get(ADMIN):
        return Condition(False, f"The operator cannot make the role {ADMIN}: {'; '.join(problems)}")
    if ADMIN not in ((roles.get("byStatus") or {}).get("reconciled") or ()):
        return Condition(False, f"The operator has not made the role {ADMIN} yet.")
    return Condition(True, f"{status.get('readyInstances', 0)} of {found['spec'].get('instances', 1)} instances are ready.")


def condition_of_database(found: Object | None) -> Condition:
    """Of a `Database`: done once what the operator applied is what is declared now."""
    if found is None:
        return Condition(False, "The Database resource is not there.")
    status = found.get("status") or {}
    if "deletionTimestamp" in found["metadata"]:
        return Condition(False, f"The Database resource is being deleted. {status.get('message') or ''}".strip())
    if status.get("observedGeneration") != found["metadata"].get("generation"):
        return Condition(False, _SILENT)
    if status.get("applied") is not True:
        return Condition(False, f"The operator cannot make the database: {status.get('message') or 'it does not say why'}")
    return Condition(True, "")


def _phase(status: Object) -> str:
    """`phase` is a sentence of its own; `phaseReason` says more where something is wrong."""
    return ". ".join(said.strip().rstrip(".") for said in (status.get("phase"), status.get("phaseReason")) if said)
