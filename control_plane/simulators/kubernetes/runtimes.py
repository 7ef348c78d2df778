"""What answers in a simulated pod: a runtime that attests the revision its pod mounts, and loses a module's data to a removal job only."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from control_plane.simulators.deployer import attested
from control_plane.simulators.kubernetes.cluster import Cluster, Object
from control_plane.simulators.kubernetes.pods import is_ready

ATTESTATION: Final = "/api/v1/modules/-/attestation"
Answer = tuple[int, dict[str, Any]]


@dataclass
class Runtimes:
    """`data` is which modules have tables, by namespace: what a pod that starts adds to, and what a removal takes from."""

    cluster: Cluster
    data: dict[str, set[str]] = field(default_factory=dict)
    volumes: dict[str, bytes] = field(default_factory=dict)
    """What lies in a clinic's volume, as a tar, by namespace."""
    restored_key: str | None = None
    """The data key a courier finds in what is put there."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(pod, path) of every request, oldest first."""

    def step(self) -> None:
        """Catch up with what pods did: an init container that ended well installs, a removal job that completed removes."""
        for pod in self.cluster.all_of("Pod"):
            if is_ready(pod) and (revision := self._revision(pod)) is not None:
                self.data.setdefault(pod["metadata"]["namespace"], set()).update(_modules(revision))
        for job in self.cluster.all_of("Job"):
            conditions = (job.get("status") or {}).get("conditions", [])
            if job["metadata"]["name"].startswith("removal-") and any(one["type"] == "Complete" for one in conditions):
                revision = self._revision({"metadata": job["metadata"], "spec": job["spec"]["template"]["spec"]})
                self.data[job["metadata"]["namespace"]] &= _modules(revision or {"modules": []})

    def answer(self, pod: Object, method: str, path: str, headers: dict[str, str]) -> Answer:
        """To a request on the pod's control port; 503 while it does not serve, 401 without the platform's token."""
        self.asked.append((pod["metadata"]["name"], path))
        revision = self._revision(pod)
        if not is_ready(pod) or revision is None:
            return 503, {"kind": "Status", "message": f"no endpoints available for pod {pod['metadata']['name']}"}
        if "x-dentalpin-authorization" not in headers and "authorization" not in headers:
            return 401, {"data": None, "message": "this address answers the platform only", "errors": [{"code": "platform_token_missing"}]}
        self.step()
        if path != ATTESTATION:
            return 200, {"data": {}, "message": None}
        proof = attested(revision["tenant"]["id"], revision).model_dump(mode="json")
        left = sorted(self.data.get(pod["metadata"]["namespace"], set()) - _modules(revision))
        proof["modules"] += [{"name": name, "version": "1.0.0", "state": "to_remove", "mounted": False} for name in left]
        proof["as_asked"] = not left
        proof["not_as_asked"] = [{"name": name, "reason": "its data is still there"} for name in left]
        return 200, {"data": proof, "message": None}

    def is_courier(self, pod: Object) -> bool:
        return (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component") == "courier"

    def carry(self, pod: Object, method: str, body: bytes) -> bytes:
        """A volume is what was put there last; without that, an empty tar. An export is the same."""
        namespace = pod["metadata"]["namespace"]
        if method == "PUT":
            self.volumes[namespace] = body
            return json.dumps({"data": {"data_key": self.restored_key}}).encode()
        return self.volumes.get(namespace, bytes(1024))

    def _revision(self, pod: Object) -> dict[str, Any] | None:
        names = [volume["configMap"]["name"] for volume in pod["spec"].get("volumes", []) if "configMap" in volume]
        for name in names:
            held = self.cluster.objects.get(("v1", "ConfigMap", pod["metadata"]["namespace"], name))
            if held is not None and "revision.json" in held.get("data", {}):
                found: dict[str, Any] = json.loads(held["data"]["revision.json"])
                return found
        return None


def _modules(revision: dict[str, Any]) -> set[str]:
    return {module["name"] for module in revision["modules"]}
