"""The controllers a deployer waits for: deployments, jobs, namespaces that end, and what is left of owners that are gone."""

import copy
import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from control_plane.simulators.kubernetes.cluster import ApiError, Cluster, Object
from control_plane.simulators.kubernetes.kinds import BY_KIND
from control_plane.simulators.kubernetes.pods import Pods, Rule, is_ready, refusal

MANAGER: Final = "kube-controller-manager"
_HASH: Final = "pod-template-hash"
_LONGEST: Final = 500
"""Steps after which a cluster that does not settle is a mistake of the simulation."""


class Operator(Protocol):
    def step(self) -> None:
        """Look at its resources once."""
        ...


class Controllers:
    def __init__(self, cluster: Cluster, rules: list[Rule] | None = None) -> None:
        self._cluster = cluster
        self.pods = Pods(cluster, rules if rules is not None else [])
        self.operators: list[Operator] = []
        """What else is installed in the cluster."""

    def settle(self) -> int:
        """Step until nothing changes any more; how many steps that took."""
        for steps in range(_LONGEST):
            if not self.step():
                return steps
        raise AssertionError(f"the cluster did not settle within {_LONGEST} steps")

    def step(self) -> bool:
        """One round of everything; whether anything changed."""
        before = self._cluster.writes
        self._end_namespaces()
        self._collect_garbage()
        for deployment in self._cluster.all_of("Deployment"):
            self._deployment(deployment)
        for job in self._cluster.all_of("Job"):
            self._job(job)
        for pod in self._cluster.all_of("Pod"):
            self.pods.advance(pod)
        for operator in self.operators:
            operator.step()
        return self._cluster.writes != before

    # --- what ends

    def _end_namespaces(self) -> None:
        for namespace in self._cluster.all_of("Namespace"):
            if "deletionTimestamp" not in namespace["metadata"]:
                continue
            name = namespace["metadata"]["name"]
            inside = [key for key in self._cluster.objects if key[2] == name]
            for key in inside:
                self._cluster.delete(BY_KIND[key[:2]], key[2], key[3])
            if not any(key[2] == name for key in self._cluster.objects):
                self._cluster.remove(self._cluster.key(namespace))

    def _collect_garbage(self) -> None:
        living = {one["metadata"]["uid"] for one in self._cluster.objects.values()}
        for key, subject in list(self._cluster.objects.items()):
            owners = subject["metadata"].get("ownerReferences", [])
            if owners and not any(owner["uid"] in living for owner in owners) and key in self._cluster.objects:
                self._cluster.delete(BY_KIND[key[:2]], key[2], key[3])

    # --- deployments

    def _deployment(self, deployment: Object) -> None:
        if "deletionTimestamp" in deployment["metadata"]:
            return
        spec = deployment["spec"]
        wanted = spec.get("replicas", 1)
        sets = self._cluster.owned(deployment, "ReplicaSet")
        digest = _digest(spec["template"])
        newest = next((one for one in sets if one["metadata"]["labels"].get(_HASH) == digest), None)
        if newest is None:
            newest = self._new_set(deployment, digest)
        older = [one for one in sets if one is not newest]
        unavailable, surge = _bounds(spec, wanted)
        ready = {one["metadata"]["name"]: self._ready(one) for one in [newest, *older]}
        total = sum(one["spec"]["replicas"] for one in [newest, *older])
        room = max(0, wanted + surge - total)
        grown = min(wanted, newest["spec"]["replicas"] + room)
        self._scale(newest, wanted if newest["spec"]["replicas"] > wanted else grown)
        spare = sum(ready.values()) - (wanted - unavailable)
        for old in older:
            if old["spec"]["replicas"] == 0:
                continue
            unready = old["spec"]["replicas"] - ready[old["metadata"]["name"]]
            going = min(old["spec"]["replicas"], max(0, unready) + max(0, spare))
            spare -= max(0, going - max(0, unready))
            self._scale(old, old["spec"]["replicas"] - going)
        for one in [newest, *older]:
            self._replicas(one)
        self._report(deployment, newest, older, wanted)

    def _new_set(self, deployment: Object, digest: str) -> Object:
        metadata, spec = deployment["metadata"], deployment["spec"]
        labels = {**spec["template"]["metadata"].get("labels", {}), _HASH: digest}
        template = copy.deepcopy(spec["template"])
        template["metadata"]["labels"] = labels
        return self._cluster.create(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": f"{metadata['name']}-{digest}",
                    "namespace": metadata["namespace"],
                    "labels": labels,
                    "ownerReferences": [_owner(deployment)],
                },
                "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
            },
            MANAGER,
        )

    def _scale(self, replica_set: Object, replicas: int) -> None:
        if replica_set["spec"]["replicas"] != replicas:
            metadata = replica_set["metadata"]
            kind = BY_KIND[("apps/v1", "ReplicaSet")]
            self._cluster.merge(kind, metadata["namespace"], metadata["name"], {"spec": {"replicas": replicas}}, MANAGER)
            replica_set["spec"]["replicas"] = replicas

    def _replicas(self, replica_set: Object) -> None:
        """Make and delete pods; one that is refused is said in the set's conditions."""
        pods = [one for one in self._cluster.owned(replica_set, "Pod") if "deletionTimestamp" not in one["metadata"]]
        metadata, problem = replica_set["metadata"], None
        for _ in range(replica_set["spec"]["replicas"] - len(pods)):
            problem = self._make_pod(replica_set, replica_set["spec"]["template"], f"{metadata['name']}-")
            if problem:
                break
        # Those that are not ready go first.
        for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - replica_set["spec"]["replicas"])]:
            self._cluster.delete(BY_KIND[("v1", "Pod")], metadata["namespace"], pod["metadata"]["name"])
        status: Object = {"replicas": len(self._cluster.owned(replica_set, "Pod")), "readyReplicas": self._ready(replica_set)}
        if problem:
            status["conditions"] = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": problem}]
        present = self._cluster.objects.get(self._cluster.key(replica_set))
        if present is not None:
            self._cluster.set_status(present, status)

    def _make_pod(self, owner: Object, template: Object, prefix: str) -> str | None:
        """Make one pod of a template; why it was refused."""
        namespace = owner["metadata"]["namespace"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **copy.deepcopy(template.get("metadata", {})),
                "generateName": prefix,
                "namespace": namespace,
                "ownerReferences": [_owner(owner)],
            },
            "spec": copy.deepcopy(template["spec"]),
        }
        problem = refusal(self._cluster, namespace, pod)
        if problem is None:
            try:
                self._cluster.create(pod, MANAGER)
            except ApiError as error:
                problem = str(error)
        return problem

    def _ready(self, replica_set: Object) -> int:
        return sum(is_ready(pod) for pod in self._cluster.owned(replica_set, "Pod") if "deletionTimestamp" not in pod["metadata"])

    def _report(self, deployment: Object, newest: Object, older: list[Object], wanted: int) -> None:
        present = self._cluster.objects.get(self._cluster.key(newest), newest)
        counts = {one["metadata"]["name"]: len(self._cluster.owned(one, "Pod")) for one in [newest, *older]}
        ready = sum(self._ready(one) for one in [newest, *older])
        updated = counts[newest["metadata"]["name"]]
        done = updated == wanted and self._ready(newest) == wanted and sum(counts.values()) == wanted
        failing = [one for one in present.get("status", {}).get("conditions", []) if one["type"] == "ReplicaFailure"]
        unavailable, _ = _bounds(deployment["spec"], wanted)
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": sum(counts.values()),
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, wanted - ready),
            "conditions": [
                {"type": "Available", "status": "True" if ready >= wanted - unavailable else "False"},
                self._progress(deployment, newest, done=done, seen=(updated, self._ready(newest), sum(counts.values()))),
                *failing,
            ],
        }
        self._cluster.set_status(deployment, status)

    def _progress(self, deployment: Object, newest: Object, *, done: bool, seen: tuple[int, ...]) -> Object:
        """The Progressing condition; it says `ProgressDeadlineExceeded` when nothing got further for as long as the spec allows."""
        before: Object = next((one for one in deployment.get("status", {}).get("conditions", []) if one["type"] == "Progressing"), {})
        mark = f"{newest['metadata']['name']} {seen}"
        if done:
            return {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": mark}
        now = self._cluster.now()
        since = before.get("lastUpdateTime")
        if since is None or before.get("message") != mark:
            since = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        begun = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        late = now - begun >= timedelta(seconds=deployment["spec"].get("progressDeadlineSeconds", 600))
        return {
            "type": "Progressing",
            "status": "False" if late else "True",
            "reason": "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated",
            "message": mark,
            "lastUpdateTime": since,
        }

    # --- jobs

    def _job(self, job: Object) -> None:
        spec, status = job["spec"], job.get("status") or {}
        over = [one for one in status.get("conditions", []) if one["type"] in ("Complete", "Failed") and one["status"] == "True"]
        if over:
            self._forget_job(job)
            return
        if spec.get("suspend"):
            return
        pods = self._cluster.owned(job, "Pod")
        succeeded = [one for one in pods if one["status"].get("phase") == "Succeeded"]
        failed = [one for one in pods if one["status"].get("phase") == "Failed"]
        active = [one for one in pods if one not in succeeded and one not in failed]
        after: Object = {
            "startTime": status.get("startTime") or self._now(),
            "active": len(active),
            "succeeded": len(succeeded),
            "failed": len(failed),
        }
        deadline = spec.get("activeDeadlineSeconds")
        if succeeded:
            after.update(completionTime=self._now(), conditions=[{"type": "Complete", "status": "True"}])
        elif len(failed) > spec.get("backoffLimit", 6):
            after["conditions"] = [_failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")]
        elif deadline is not None and self._age(after["startTime"]) >= deadline:
            after["conditions"] = [_failed("DeadlineExceeded", "Job was active longer than specified deadline")]
            for pod in active:
                self._cluster.delete(BY_KIND[("v1", "Pod")], job["metadata"]["namespace"], pod["metadata"]["name"])
        elif not active:
            problem = self._make_pod(job, spec["template"], f"{job['metadata']['name']}-")
            if problem:
                after["conditions"] = [{"type": "FailureTarget", "status": "False", "reason": "FailedCreate", "message": problem}]
            else:
                after["active"] = 1
        self._cluster.set_status(job, after)

    def _forget_job(self, job: Object) -> None:
        keep = job["spec"].get("ttlSecondsAfterFinished")
        ended = job["status"].get("completionTime") or job["status"].get("startTime")
        if keep is not None and ended and self._age(ended) >= keep:
            self._cluster.delete(BY_KIND[("batch/v1", "Job")], job["metadata"]["namespace"], job["metadata"]["name"])

    def _now(self) -> str:
        return self._cluster.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _age(self, since: str) -> float:
        return (self._cluster.now() - datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)).total_seconds()


def _failed(reason: str, message: str) -> Object:
    return {"type": "Failed", "status": "True", "reason": reason, "message": message}


def _owner(subject: Object) -> Object:
    metadata = subject["metadata"]
    return {
        "apiVersion": subject["apiVersion"],
        "kind": subject["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _digest(template: Object) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _bounds(spec: Object, wanted: int) -> tuple[int, int]:
    """(how many may be away, how many may be too many) during a roll-out."""
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return wanted, 0
    rolling = strategy.get("rollingUpdate") or {}
    unavailable = _part(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
    surge = _part(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    return (unavailable, surge) if unavailable or surge else (1, 0)


def _part(value: Any, whole: int, rounding: Any) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return int(rounding(whole * int(value[:-1]) / 100))
    return int(value)
