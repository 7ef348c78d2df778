"""Objects → how far a roll-out is, and why it does not get further. Pure: what a watch or a list said goes in, a verdict comes out.

Every reason is for a person: what is wrong, in Kubernetes' own words where they help, and what to do.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from control_plane.deployers.kubernetes.facts import DOMAIN
from control_plane.deployers.kubernetes.rendering import GENERATION
from dentalpin_kit.logs import scrub

Object = Mapping[str, Any]

_PULLING: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_LONGEST: Final = 900
"""Characters of what a container left behind that are passed on."""


class Stage(StrEnum):
    STOPPED = "stopped"
    UNDER_WAY = "under_way"
    FAILING = "failing"
    DONE = "done"


class Cause(StrEnum):
    """Why a roll-out does not get further; one reason each."""

    PROCESSOR = "processor_failed"
    IMAGE = "image_not_pulled"
    CRASH = "crash_loop"
    UNSCHEDULABLE = "unschedulable"
    QUOTA = "quota_exceeded"
    FORBIDDEN = "pod_forbidden"
    DEADLINE = "progress_deadline_exceeded"
    CONFIGURATION = "container_not_created"
    REMOVAL = "removal_failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    stage: Stage
    cause: Cause | None = None
    reason: str | None = None


def judge_rollout(deployment: Object, pods: Sequence[Object]) -> Verdict:
    """How the roll-out of this Deployment stands. `pods` are those of its clinic that serve, whichever generation."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    if wanted == 0:
        return Verdict(Stage.STOPPED)
    seen = (status.get("observedGeneration") or 0) >= deployment["metadata"].get("generation", 0)
    mine = [pod for pod in pods if generation_of(pod) == applied_generation(deployment)]
    # Until the controller has seen what was applied, pods of the same generation may be those of the specification before.
    trouble = next(_troubles(status, mine), None) if seen else None
    counts = [status.get(name) or 0 for name in ("updatedReplicas", "availableReplicas", "replicas")]
    if seen and counts == [wanted] * 3:
        return Verdict(Stage.DONE)
    late = seen and _late(status)
    if trouble is not None:
        cause, reason = trouble
        # A place may still be found, or room be made: the cluster grows by itself.
        stage = Stage.UNDER_WAY if cause is Cause.UNSCHEDULABLE and not late else Stage.FAILING
        return Verdict(stage, cause, reason)
    if late:
        seconds = spec.get("progressDeadlineSeconds", 600)
        return Verdict(
            Stage.FAILING,
            Cause.DEADLINE,
            f"No pod of this revision became ready within {seconds} s; {counts[1]} of {wanted} are available. "
            "The pods' events and logs say what they wait for.",
        )
    return Verdict(Stage.UNDER_WAY, None, f"{counts[0]} of {wanted} pods are of this revision, {counts[1]} are available.")


def judge_removal(job: Object, pods: Sequence[Object]) -> Verdict:
    """How the Job stands that removes the data of modules."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("status") != "True":
            continue
        if condition["type"] == "Complete":
            return Verdict(Stage.DONE)
        if condition["type"] == "Failed":
            said = next((left for pod in pods for left in left_behind(pod, init=False)), None)
            why = told(said) if said else condition.get("message") or condition.get("reason") or "it said nothing"
            return Verdict(
                Stage.FAILING, Cause.REMOVAL, f"The data of what was taken out could not be removed: {why} Retry once that is mended."
            )
    trouble = next(troubles_of(pods), None)
    if trouble is not None and trouble[0] is not Cause.CRASH:
        return Verdict(Stage.FAILING, *trouble)
    return Verdict(Stage.UNDER_WAY, None, "The data of what was taken out is being removed.")


def told(message: str) -> str:
    """A termination message for a person: the processor's report names each module that is not as asked."""
    try:
        report = json.loads(message)
        failed = [f"{module['name']}: {module['reason']}" for module in report.get("modules") or () if module.get("reason")]
        said = "; ".join(failed) or str(report["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        said = message.strip()
    return scrub(said)[:_LONGEST] or "it said nothing."


def generation_of(pod: Object) -> int | None:
    text = (pod["metadata"].get("labels") or {}).get(f"{DOMAIN}/generation", "")
    return int(text) if text.isdigit() else None


def applied_generation(deployment: Object) -> int | None:
    text = (deployment["metadata"].get("annotations") or {}).get(GENERATION, "")
    return int(text) if text.isdigit() else None


def is_ready(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and any(
        one["type"] == "Ready" and one["status"] == "True" for one in (pod.get("status") or {}).get("conditions") or ()
    )


def _late(status: Object) -> bool:
    return any(one["type"] == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded" for one in status.get("conditions") or ())


def _troubles(status: Object, pods: Sequence[Object]) -> Iterator[tuple[Cause, str]]:
    """What keeps it, the most telling first."""
    yield from troubles_of(pods)
    for condition in status.get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            message = condition.get("message") or condition.get("reason") or "no reason given"
            if "exceeded quota" in message:
                yield (
                    Cause.QUOTA,
                    f"The clinic's quota lets no further pod in: {message}. Choose a larger plan, or look what else runs there.",
                )
            else:
                yield Cause.FORBIDDEN, f"The cluster refuses the pods: {message}"


def troubles_of(pods: Sequence[Object]) -> Iterator[tuple[Cause, str]]:
    """What keeps these pods, each with its cause."""
    for pod in pods:
        status = pod.get("status") or {}
        for said in left_behind(pod, init=True):
            yield Cause.PROCESSOR, f"Its modules could not be brought to this revision: {told(said)}"
        for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            yield from _waiting(container)
        for condition in status.get("conditions") or ():
            if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
                yield (
                    Cause.UNSCHEDULABLE,
                    f"No node has room for the pod: {condition.get('message') or 'no reason given'} Add a node, or remove what fills them.",
                )


def _waiting(container: Object) -> Iterator[tuple[Cause, str]]:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason, message = waiting.get("reason"), waiting.get("message") or ""
    if reason in _PULLING:
        what = container.get("image") or "its image"
        yield (
            Cause.IMAGE,
            f"The release's image {what} cannot be pulled ({reason}): {message or 'no reason given'}. Push it, or register another.",
        )
    elif reason == "CrashLoopBackOff":
        ended = (container.get("lastState") or {}).get("terminated") or {}
        why = told(ended["message"]) if ended.get("message") else f"it ended with status {ended.get('exitCode', '?')}"
        yield Cause.CRASH, f"The runtime ends again and again right after its start: {why}"
    elif reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        yield Cause.CONFIGURATION, f"The container cannot be made ({reason}): {message or 'no reason given'}"


def left_behind(pod: Object, *, init: bool) -> Iterator[str]:
    """Termination messages of containers that failed, the last ending of each."""
    status = pod.get("status") or {}
    for container in status.get("initContainerStatuses" if init else "containerStatuses") or ():
        for state in (container.get("state") or {}, container.get("lastState") or {}):
            ended = state.get("terminated") or {}
            if ended.get("exitCode"):
                yield ended.get("message") or f"the container ended with status {ended['exitCode']}."
            if ended:
                # One that was tried again and ended well has nothing left to say of the time before.
                break
