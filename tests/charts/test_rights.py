"""The rights the chart gives are those the deployer uses: with them everything works, and none is left over."""

import pytest
import yaml

from control_plane.deployers.base import DeployerUnavailable, Need, RuntimeRefused
from tests.control_plane.deployers.kubernetes.conftest import REGISTRY, TENANT, simulation, world
from tests.support.charts import ROOT, only, render

__all__ = ["simulation", "world"]

RULES = yaml.safe_load((ROOT / "charts" / "control-plane" / "files" / "rules.yaml").read_text())
GRANTED = frozenset(
    (verb, group, resource) for rule in RULES for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
)


async def whole(content):
    yield content


async def a_life(world):
    """Everything a clinic goes through on a cluster."""
    await world.settled()
    await world.deployer.survey()
    await world.settled(2, ("patients",), needs=(Need("internet", 443),))
    await world.settled(3, ("patients",))
    await world.deployer.request(TENANT, "GET", "/api/v1/-/anything", token="t")
    await world.deployer.request(TENANT, "POST", "/api/v1/-/anything", {}, token="t")
    kept = b"".join([piece async for piece in world.deployer.files(TENANT)])
    await world.deployer.stop(TENANT)
    await world.deployer.replace_files(TENANT, whole(kept))
    world.pull_with(REGISTRY)
    await world.settled(4, ("patients",))
    world.pull_with(None)
    await world.settled(5, ("patients",))
    await world.deployer.remove(TENANT)


async def test_with_the_charts_rights_a_clinic_goes_through_everything_and_none_is_left_over(world):
    world.cluster.allowed = GRANTED
    await a_life(world)
    used = set(world.cluster.calls)
    # A real API server asks for `create` as well where an apply finds nothing there.
    applied = {("create", group, resource) for verb, group, resource in used if verb == "patch"}
    assert used | applied == GRANTED


@pytest.mark.parametrize("lacking", [("create", "", "pods/proxy"), ("patch", "apps", "deployments")], ids=lambda one: f"{one[0]} {one[2]}")
async def test_a_right_that_is_missing_is_noticed(world, lacking):
    """Else the comparison above would prove nothing."""
    world.cluster.allowed = GRANTED - {lacking}
    with pytest.raises((RuntimeRefused, DeployerUnavailable), match=f"cannot {lacking[0]} resource"):
        await a_life(world)


def test_the_chart_hands_on_exactly_these_rights_and_no_star():
    assert only(render("control-plane"), "ClusterRole")["rules"] == RULES
    assert not [one for one in GRANTED if "*" in one]
    # Rights by which one gets others, or into what runs.
    assert not {resource for _, _, resource in GRANTED} & {
        "roles",
        "rolebindings",
        "clusterroles",
        "clusterrolebindings",
        "nodes",
        "pods/exec",
    }
    assert ("impersonate", "", "users") not in GRANTED


def test_rights_to_declare_database_servers_are_given_in_the_named_namespaces_alone():
    assert not {one["kind"] for one in render("control-plane")} & {"Role", "RoleBinding"}
    objects = render("control-plane", {"rbac": {"databaseNamespaces": ["databases"]}})
    role, binding = only(objects, "Role"), only(objects, "RoleBinding")
    assert role["rules"] == yaml.safe_load((ROOT / "charts" / "control-plane" / "files" / "database-rules.yaml").read_text())
    assert {one["metadata"]["namespace"] for one in (role, binding)} == {"databases"}
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == only(objects, "ClusterRoleBinding")["subjects"]
