"""What becomes of a pod: by rules, a phase at each step. And whether it may be made at all: pod security and quotas."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from control_plane.simulators.kubernetes.cluster import Cluster, Object
from control_plane.simulators.kubernetes.quantities import quantity

ENFORCE: Final = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a pod does. The first rule that fits says it; without one it starts, becomes ready and, in a job, succeeds."""

    image_missing: bool = False
    unschedulable: bool = False
    init_exit: int = 0
    init_message: str = ""
    """The termination message of its last init container."""
    crashes: bool = False
    ready: bool = True
    exit: int = 0
    """Of a job's container."""
    message: str = ""


Rule = tuple[Callable[[Object], bool], Behaviour]
WELL: Final = Behaviour()


@dataclass
class Pods:
    cluster: Cluster
    rules: list[Rule] = field(default_factory=list)

    def behaviour(self, pod: Object) -> Behaviour:
        return next((behaviour for fits, behaviour in self.rules if fits(pod)), WELL)

    def advance(self, pod: Object) -> None:
        """One phase further."""
        if pod["status"].get("phase") in ("Succeeded", "Failed") or "deletionTimestamp" in pod["metadata"]:
            return
        self.cluster.set_status(pod, self._next(pod, self.behaviour(pod)))

    def _next(self, pod: Object, does: Behaviour) -> Object:
        status = pod["status"]
        if not status.get("phase"):
            return {"phase": "Pending", "conditions": [_condition("PodScheduled", False)]}
        if does.unschedulable:
            why = "0/3 nodes are available: 3 Insufficient memory."
            return {"phase": "Pending", "conditions": [_condition("PodScheduled", False, "Unschedulable", why)]}
        if does.image_missing:
            waiting = {"waiting": {"reason": "ImagePullBackOff", "message": f"Back-off pulling image {_images(pod)[0]!r}"}}
            return self._status(pod, "Pending", waiting, ready=False, init=waiting if pod["spec"].get("initContainers") else None)
        if pod["spec"].get("initContainers") and not status.get("initContainerStatuses"):
            return self._status(pod, "Pending", {"waiting": {"reason": "PodInitializing"}}, ready=False, init={"running": {}})
        if does.init_exit:
            return self._init_failed(pod, does)
        if _is_job(pod):
            return self._finished(pod, does, started=bool(status.get("containerStatuses")))
        if does.crashes:
            last = {"terminated": {"exitCode": 1, "reason": "Error", "message": does.message}}
            waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
            return self._status(pod, "Running", waiting, ready=False, last=last, restarts=_restarts(status) + 1)
        return self._status(pod, "Running", {"running": {}}, ready=does.ready)

    def _init_failed(self, pod: Object, does: Behaviour) -> Object:
        ended = {"terminated": {"exitCode": does.init_exit, "reason": "Error", "message": does.init_message}}
        if pod["spec"].get("restartPolicy") == "Never":
            return self._status(pod, "Failed", {"waiting": {"reason": "PodInitializing"}}, ready=False, init=ended)
        status = self._status(
            pod, "Pending", {"waiting": {"reason": "PodInitializing"}}, ready=False, init={"waiting": {"reason": "CrashLoopBackOff"}}
        )
        status["initContainerStatuses"][-1].update(lastState=ended, restartCount=1)
        return status

    def _finished(self, pod: Object, does: Behaviour, *, started: bool) -> Object:
        # What a Job starts and others ask runs until somebody ends it.
        if not started or any("readinessProbe" in one for one in pod["spec"]["containers"]):
            return self._status(pod, "Running", {"running": {}}, ready=True)
        ended = {"terminated": {"exitCode": does.exit, "reason": "Error" if does.exit else "Completed", "message": does.message}}
        return self._status(pod, "Failed" if does.exit else "Succeeded", ended, ready=False)

    def _status(
        self,
        pod: Object,
        phase: str,
        state: Object,
        *,
        ready: bool,
        init: Object | None = None,
        last: Object | None = None,
        restarts: int = 0,
    ) -> Object:
        names = [one["name"] for one in pod["spec"]["containers"]]
        before = [one["name"] for one in pod["spec"].get("initContainers", [])]
        done = {"terminated": {"exitCode": 0, "reason": "Completed", "message": self.behaviour(pod).init_message}}
        status: Object = {
            "phase": phase,
            "conditions": [
                _condition("PodScheduled", True),
                _condition("Initialized", init is None),
                _condition("ContainersReady", ready),
                _condition("Ready", ready),
            ],
            "containerStatuses": [
                {"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last or {}} for name in names
            ],
        }
        if before:
            status["initContainerStatuses"] = [
                {"name": name, "ready": init is None, "restartCount": 0, "state": init or done, "lastState": {}} for name in before
            ]
        return status


def refusal(cluster: Cluster, namespace: str, pod: Object) -> str | None:
    """Why a pod may not be made here: pod security first, then quotas; None when it may."""
    place = cluster.objects[("v1", "Namespace", "", namespace)]
    if (place["metadata"].get("labels") or {}).get(ENFORCE) == "restricted" and (wrong := list(_insecure(pod["spec"]))):
        return f'pods "{pod["metadata"].get("name", "")}" is forbidden: violates PodSecurity "restricted:latest": {", ".join(wrong)}'
    for quota in cluster.all_of("ResourceQuota", namespace):
        hard, used = quota["spec"].get("hard", {}), usage(cluster, namespace)
        wanted = demand(pod)
        for name, limit in hard.items():
            if name in wanted and used.get(name, Decimal(0)) + wanted[name] > quantity(limit):
                what = f"requested: {name}={wanted[name]}, used: {name}={used.get(name, 0)}, limited: {name}={limit}"
                return f'pods "{pod["metadata"].get("name", "")}" is forbidden: exceeded quota: {quota["metadata"]["name"]}, {what}'
    return None


def _insecure(spec: Object) -> Iterator[str]:
    whole = spec.get("securityContext") or {}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container.get("securityContext") or {}
        name = container["name"]
        if own.get("allowPrivilegeEscalation") is not False:
            yield f'allowPrivilegeEscalation != false (container "{name}" must set securityContext.allowPrivilegeEscalation=false)'
        if "ALL" not in ((own.get("capabilities") or {}).get("drop") or []):
            yield f'unrestricted capabilities (container "{name}" must set securityContext.capabilities.drop=["ALL"])'
        if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
            yield f'runAsNonRoot != true (pod or container "{name}" must set securityContext.runAsNonRoot=true)'
        profile = (own.get("seccompProfile") or whole.get("seccompProfile") or {}).get("type")
        if profile not in ("RuntimeDefault", "Localhost"):
            yield f'seccompProfile (pod or container "{name}" must set securityContext.seccompProfile.type to "RuntimeDefault")'
        if own.get("privileged"):
            yield f'privileged (container "{name}" must not set securityContext.privileged=true)'
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if kinds - {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}:
            yield f'restricted volume types (volume "{volume["name"]}" uses restricted volume type "{min(kinds)}")'
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        yield "host namespaces"


def demand(pod: Object) -> dict[str, Decimal]:
    """What a pod counts for in a quota; the larger of what its containers and any of its init containers ask for."""
    wanted: dict[str, Decimal] = {"pods": Decimal(1)}
    for sort in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            together = sum((_asked(one, sort, resource) for one in pod["spec"]["containers"]), Decimal(0))
            first = max((_asked(one, sort, resource) for one in pod["spec"].get("initContainers", [])), default=Decimal(0))
            wanted[f"{sort}.{resource}"] = max(together, first)
            if sort == "requests":
                wanted[resource] = wanted[f"{sort}.{resource}"]
    return wanted


def _asked(container: Object, sort: str, resource: str) -> Decimal:
    return quantity(((container.get("resources") or {}).get(sort) or {}).get(resource, 0))


def usage(cluster: Cluster, namespace: str) -> dict[str, Decimal]:
    used: dict[str, Decimal] = {}
    for pod in cluster.all_of("Pod", namespace):
        if pod["status"].get("phase") not in ("Succeeded", "Failed"):
            for name, amount in demand(pod).items():
                used[name] = used.get(name, Decimal(0)) + amount
    return used


def is_ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


def _condition(kind: str, holds: bool, reason: str | None = None, message: str | None = None) -> Object:
    condition = {"type": kind, "status": "True" if holds else "False"}
    return {**condition, **({"reason": reason} if reason else {}), **({"message": message} if message else {})}


def _restarts(status: Object) -> int:
    return max((one.get("restartCount", 0) for one in status.get("containerStatuses", [])), default=0)


def _is_job(pod: Object) -> bool:
    return any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", []))


def _images(pod: Object) -> list[str]:
    return [one["image"] for one in pod["spec"]["containers"]]
