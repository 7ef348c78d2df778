"""Objects → verdicts: what the deployer makes of statuses that no double would show by itself."""

from control_plane.deployers.kubernetes.rollout import Cause, Stage, judge_rollout


def deployment(generation=1, seen=1):
    return {
        "metadata": {"generation": generation, "annotations": {"dentalpin.io/generation": "7"}},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": seen, "replicas": 1, "updatedReplicas": 1},
    }


def pod(*init, state=None):
    prepared = {"name": "prepare", "state": init[0], "lastState": init[1] if len(init) > 1 else {}}
    started = {"name": "clinic", "state": state or {"waiting": {"reason": "PodInitializing"}}}
    labels = {"dentalpin.io/generation": "7"}
    return {"metadata": {"labels": labels}, "status": {"initContainerStatuses": [prepared], "containerStatuses": [started]}}


def ended(code, message=""):
    return {"terminated": {"exitCode": code, "message": message}}


def test_a_processor_that_failed_once_and_then_did_it_has_not_failed():
    found = judge_rollout(deployment(), [pod(ended(0), ended(3, "the database was away"), state={"running": {}})])
    assert (found.stage, found.cause) == (Stage.UNDER_WAY, None)


def test_a_processor_that_is_tried_again_is_told_with_what_it_said_last():
    found = judge_rollout(deployment(), [pod({"waiting": {"reason": "CrashLoopBackOff"}}, ended(3, "duplicate key"))])
    assert (found.stage, found.cause) == (Stage.FAILING, Cause.PROCESSOR)
    assert "duplicate key" in found.reason


def test_what_failed_before_the_cluster_looked_at_the_mended_specification_says_nothing_about_it():
    stale = [pod(ended(3, "duplicate key"))]
    assert judge_rollout(deployment(generation=2, seen=1), stale).stage is Stage.UNDER_WAY
    assert judge_rollout(deployment(generation=2, seen=2), stale).stage is Stage.FAILING
