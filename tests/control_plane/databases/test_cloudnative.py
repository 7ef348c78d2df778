"""A server that CloudNativePG runs, against the simulated cluster; its operator makes databases on the tests' real server.

One file, since the administrator's role is one for the whole server.
"""

from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
import yaml

from app.testing.server import run_sql
from control_plane.databases.base import DatabaseRefused, DatabaseServerUnavailable
from control_plane.databases.cloudnative.manifests import ADMIN, Declared, admin_secret, database, server
from control_plane.databases.cloudnative.reading import condition_of_database, condition_of_server
from control_plane.databases.cloudnative.server import CloudNativeServer
from control_plane.databases.names import database_name, owner_role
from control_plane.databases.service import _address_of
from control_plane.deployers.base import RoleVerifiers
from control_plane.deployers.kubernetes.api import Api
from control_plane.deployers.scram import scram_verifier
from control_plane.operations.worker import Worker
from control_plane.simulators.kubernetes.api import Simulation
from control_plane.simulators.kubernetes.kinds import BY_KIND
from control_plane.simulators.kubernetes.postgres_operator import FINALIZER, GROUP, PostgresOperator
from tests.control_plane.deployers.kubernetes.conftest import kubeconfig
from tests.support.kubernetes_cluster import serving

PASSWORD = "set-by-the-platform"
VERIFIERS = RoleVerifiers(scram_verifier("owner-secret"), scram_verifier("app-secret"))


@pytest.fixture
def declared(postgres):
    there = urlsplit(postgres.admin_url)
    return Declared(cluster="one", namespace="databases", name="madrid", instances=2, host=there.hostname, port=there.port)


@pytest.fixture
def simulation(postgres):
    found = Simulation()
    found.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "databases"}}, "somebody")
    return found


@pytest.fixture
def operator(simulation, postgres):
    found = PostgresOperator(simulation.cluster, lambda statement: run_sql(postgres.superuser_url, statement))
    simulation.controllers.operators.append(found)
    yield found
    simulation.away = True


@pytest.fixture
def opened(simulation, declared, postgres):
    @asynccontextmanager
    async def opened():
        with serving(simulation) as url:
            api = Api("one", kubeconfig(url))
            found = CloudNativeServer(_address_of(declared, PASSWORD), api, declared, host=declared.host, bindir=postgres.bindir)
            yield found
            await found.close()
            simulation.away = True

    return opened


@pytest.fixture
async def ready(opened, operator, simulation, postgres, eventually):
    async with opened() as found:
        await found.declare()
        await eventually(found.check)
        yield found
    run_sql(postgres.superuser_url, f"DROP ROLE IF EXISTS {ADMIN}")


@pytest.fixture
def eventually(simulation):
    async def eventually(call):
        """The operator works on its own thread; what it needs is a matter of its steps, not of time."""
        for _ in range(400):
            try:
                return await call()
            except DatabaseServerUnavailable as error:
                last = error
        raise last

    return eventually


def resource(simulation, kind, name):
    return simulation.cluster.get(BY_KIND[(GROUP, kind)], "databases", name)


def names(simulation, kind):
    return {one["metadata"]["name"] for one in simulation.cluster.all_of(kind, "databases")}


async def test_a_tenant_s_database_is_made_by_the_operator_and_everything_in_it_works(ready, simulation, declared):
    tenant = uuid4()
    address = await ready.ensure(tenant, VERIFIERS)
    name = database_name(tenant).replace("_", "-")
    made = resource(simulation, "Database", name)
    assert (made["status"]["applied"], made["metadata"]["finalizers"]) == (True, [FINALIZER])
    assert made["spec"]["owner"] == owner_role(tenant)

    writes = simulation.cluster.writes
    assert await ready.ensure(tenant, VERIFIERS) == address
    assert simulation.cluster.writes == writes

    where = {"host": address.host, "port": declared.port, "database": address.name}
    owner = await asyncpg.connect(**where, user=address.owner_role, password="owner-secret")
    await owner.execute("CREATE TABLE note (id int PRIMARY KEY); INSERT INTO note SELECT generate_series(1, 20)")
    await owner.close()

    # Copied beside and put in its place, as a restore does; the resource stays true.
    async with ready.dumping(tenant) as dumping:
        dump = b"".join([piece async for piece in dumping.content])

    async def source():
        yield dump

    beside = f"{address.name}_next"
    assert (await ready.load(tenant, beside, source, roles_of=tenant)).rows == 20
    await ready.swap(tenant, beside)
    app = await asyncpg.connect(**where, user=address.app_role, password="app-secret")
    assert await app.fetchval("SELECT current_database()") == address.name
    # Whoever is connected keeps nothing from being dropped.
    await ready.drop(tenant)
    await ready.drop(tenant)
    app.terminate()
    assert names(simulation, "Database") == set()
    admin = await asyncpg.connect(ready._url.render_as_string(hide_password=False))
    counts = [
        f"SELECT count(*) FROM {table} WHERE starts_with({name}, $1)"
        for table, name in (("pg_database", "datname"), ("pg_roles", "rolname"))
    ]
    left = [await admin.fetchval(count, f"tenant_{tenant.hex}") for count in counts]
    await admin.close()
    assert left == [0, 0]


async def test_passwords_are_rotated_there_as_anywhere(ready, declared):
    tenant = uuid4()
    await ready.ensure(tenant, VERIFIERS)
    later = await ready.ensure(tenant, RoleVerifiers(scram_verifier("owner-2"), scram_verifier("app-2")), 1)
    await ready.close_logins(tenant, 1)
    app = await asyncpg.connect(host=later.host, port=declared.port, database=later.name, user=later.app_role, password="app-2")
    assert await app.fetchval("SELECT current_user::text") == later.app_role.removesuffix("_b")
    await app.close()
    await ready.drop(tenant)


async def test_a_server_that_does_not_come_says_why_in_its_operators_words(opened, operator, eventually):
    operator.phase = ("Unable to create required cluster objects", "pvc quota exceeded: databases")
    async with opened() as found:
        with pytest.raises(DatabaseServerUnavailable, match="The Cluster resource is not there"):
            await found.check()
        await found.declare()
        for _ in range(400):
            said = (await found.condition()).reason
            if "quota" in said:
                break
        assert said == "Unable to create required cluster objects. pvc quota exceeded: databases"
        with pytest.raises(DatabaseServerUnavailable, match="madrid is not ready: Unable to create required cluster objects"):
            await found.ensure(uuid4(), VERIFIERS)


async def test_a_cluster_without_the_operator_is_said(opened, operator, simulation):
    operator.idle = True
    async with opened() as found:
        await found.declare()
        assert "look whether the operator runs" in (await found.condition()).reason
        simulation.cluster.allowed = frozenset({("get", "postgresql.cnpg.io", "clusters")})
        with pytest.raises(DatabaseRefused, match="cannot patch resource"):
            await found.declare()


async def test_a_database_that_cannot_be_made_or_dropped_says_why(ready, operator, monkeypatch):
    tenant, other = uuid4(), uuid4()
    await ready.ensure(tenant, VERIFIERS)
    working = operator._sql

    def failing(statement):
        if statement.startswith(("CREATE DATABASE", "DROP DATABASE")):
            raise RuntimeError("disk is full")
        working(statement)

    async def said(call, part):
        """What it says once the operator has looked at it; one attempt does not wait here."""
        for _ in range(400):
            with pytest.raises(DatabaseServerUnavailable) as waiting:
                await call()
            if part in waiting.value.message:
                return waiting.value.message
        pytest.fail(waiting.value.message)

    operator._sql = failing
    monkeypatch.setattr("control_plane.databases.cloudnative.server.PATIENCE_SECONDS", 0.0)
    assert "is still going: disk is full" in await said(lambda: ready.drop(tenant), "disk")
    assert "cannot make the database: disk is full" in await said(lambda: ready.ensure(other, VERIFIERS), "disk")
    operator._sql = working
    monkeypatch.undo()
    for one in (tenant, other):
        await ready.drop(one)


async def test_a_withdrawn_server_leaves_nothing_in_the_cluster(ready, simulation):
    await ready.withdraw()
    await ready.withdraw()
    assert (names(simulation, "Cluster"), names(simulation, "Secret")) == (set(), set())


def test_the_administrators_password_is_in_the_secret_and_nowhere_else(declared):
    said = yaml.safe_dump([server(declared), database(declared, "tenant_1", "tenant_1_owner")])
    assert PASSWORD not in said
    assert admin_secret(declared, PASSWORD)["type"] == "kubernetes.io/basic-auth"
    role = server(declared)["spec"]["managed"]["roles"][0]
    assert (role["name"], role["createdb"], role["createrole"], role.get("superuser", False)) == (ADMIN, True, True, False)
    assert server(declared)["spec"]["enableSuperuserAccess"] is False


READY = {"type": "Ready", "status": "True"}
ROLES = {"byStatus": {"reconciled": [ADMIN]}}


@pytest.mark.parametrize(
    ("status", "ready", "said"),
    [
        ({"conditions": [READY], "managedRolesStatus": ROLES, "readyInstances": 2}, True, "2 of 3"),
        ({}, False, "operator runs"),
        ({"phase": "Setting up primary"}, False, "Setting up primary"),
        ({"conditions": [{**READY, "status": "False", "reason": "X", "message": "y"}]}, False, "X: y"),
        ({"conditions": [READY]}, False, "has not made the role"),
        ({"conditions": [READY], "managedRolesStatus": {"cannotReconcile": {ADMIN: ["no secret"]}}}, False, "no secret"),
    ],
)
def test_what_a_cluster_says_becomes_a_reason(status, ready, said):
    found = condition_of_server({"metadata": {}, "spec": {"instances": 3}, "status": status})
    assert found.ready is ready
    assert said in found.reason


@pytest.mark.parametrize(
    ("metadata", "status", "ready", "said"),
    [
        ({"generation": 2}, {"observedGeneration": 2, "applied": True}, True, ""),
        # What was applied is not what is declared now.
        ({"generation": 2}, {"observedGeneration": 1, "applied": True}, False, "said nothing"),
        ({"generation": 1}, {"observedGeneration": 1, "applied": False, "message": "no such role"}, False, "no such role"),
        ({"generation": 1, "deletionTimestamp": "x"}, {"observedGeneration": 1, "applied": True}, False, "being deleted"),
    ],
)
def test_what_a_database_says_becomes_a_reason(metadata, status, ready, said):
    found = condition_of_database({"metadata": metadata, "status": status})
    assert found.ready is ready
    assert said in found.reason


@pytest.fixture
def cluster(postgres):
    simulation = Simulation()
    simulation.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "databases"}}, "somebody")
    operator = PostgresOperator(simulation.cluster, lambda statement: run_sql(postgres.superuser_url, statement))
    simulation.controllers.operators.append(operator)
    with serving(simulation) as url:
        yield operator, simulation, url
        simulation.away = True
    run_sql(postgres.superuser_url, f"DROP ROLE IF EXISTS {ADMIN}")


async def settled(client, said):
    """The condition once the operator has looked."""
    for _ in range(200):
        found = (await client.get("/v1/database-servers/madrid/condition")).json()
        if said(found):
            return found
    pytest.fail(str(found))


async def test_a_declared_server_is_opened_once_it_is_ready_and_holds_a_clinic(client, platform, postgres, cluster):
    operator, simulation, url = cluster
    operator.phase = ("Setting up primary", "Creating primary instance madrid-1")
    facts = {"domain": "clinics.example"}
    body = {"name": "one", "region": "eu-south", "capacity": 5, "facts": facts, "kubeconfig": yaml.safe_dump(kubeconfig(url))}
    assert (await client.post("/v1/clusters", json=body)).status_code == 201
    there = urlsplit(postgres.admin_url)
    declared = {"cluster": "one", "namespace": "databases", "name": "madrid", "host": there.hostname, "port": there.port}
    body = {"name": "madrid", "region": "eu-south", "host": there.hostname, "cloudnativepg": declared}
    both = await client.post("/v1/database-servers", json={**body, "admin_url": postgres.admin_url})
    assert both.status_code == 422

    made = await client.post("/v1/database-servers", json=body)
    assert (made.status_code, made.json()["accepting"]) == (201, False), made.text
    assert made.json()["cloudnativepg"]["instances"] == 3
    assert "Creating primary instance" in (await settled(client, lambda one: "primary" in one["reason"]))["reason"]
    early = await client.patch("/v1/database-servers/madrid", json={"accepting": True})
    assert (early.status_code, early.json()["code"]) == (409, "database_server_not_ready")

    operator.phase = None
    await settled(client, lambda one: one["ready"])
    assert (await client.patch("/v1/database-servers/madrid", json={"accepting": True})).json()["accepting"] is True

    clinic = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
    tenant_id = UUID((await client.post("/v1/tenants", json=clinic)).json()["tenant"]["id"])
    worker = Worker(platform, platform.servers.own)
    await worker.drain()
    shown = (await client.get("/v1/tenants/sol")).json()
    assert shown["state"] == "active", shown
    assert (await client.get("/v1/database-servers/madrid")).json()["tenants"] == 1
    assert [one["spec"]["name"] for one in simulation.cluster.all_of("Database")] == [f"tenant_{tenant_id.hex}"]

    backup = (await client.post("/v1/tenants/sol/backups")).json()
    rotated = (await client.post("/v1/tenants/sol/database-passwords/rotate")).json()["operation"]
    gone = (await client.delete("/v1/tenants/sol", params={"at_once": True, "confirm": "sol"})).json()["operation"]
    await worker.drain()
    ended = [(await client.get(f"/v1/operations/{one['id']}")).json()["state"] for one in (backup, rotated, gone)]
    assert ended[-1] == "succeeded"
    assert simulation.cluster.all_of("Database") == []


async def test_one_that_holds_nobody_is_taken_out_with_what_was_declared(client, postgres, cluster):
    _, simulation, url = cluster
    body = {
        "name": "one",
        "region": "eu-south",
        "capacity": 5,
        "facts": {"domain": "clinics.example"},
        "kubeconfig": yaml.safe_dump(kubeconfig(url)),
    }
    await client.post("/v1/clusters", json=body)
    declared = {"cluster": "one", "namespace": "databases", "name": "madrid"}
    missing = await client.post(
        "/v1/database-servers", json={"name": "madrid", "region": "eu-south", "cloudnativepg": {**declared, "cluster": "two"}}
    )
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_cluster")
    made = await client.post("/v1/database-servers", json={"name": "madrid", "region": "eu-south", "cloudnativepg": declared})
    assert made.status_code == 201, made.text
    assert len(simulation.cluster.all_of("Cluster")) == 1

    removed = await client.delete("/v1/database-servers/madrid")
    assert removed.status_code == 200, removed.text
    assert (simulation.cluster.all_of("Cluster"), simulation.cluster.all_of("Secret")) == ([], [])
    assert (await client.get("/v1/database-servers/madrid")).status_code == 404


async def test_the_chart_gives_the_rights_that_are_used_and_no_other(ready, simulation):
    tenant = uuid4()
    await ready.ensure(tenant, VERIFIERS)
    await ready.drop(tenant)
    await ready.withdraw()

    rules = yaml.safe_load((Path(__file__).parents[3] / "charts" / "control-plane" / "files" / "database-rules.yaml").read_text())
    granted = {(verb, group, one) for rule in rules for group in rule["apiGroups"] for one in rule["resources"] for verb in rule["verbs"]}
    used = set(simulation.cluster.calls)
    assert used | {("create", group, one) for verb, group, one in used if verb == "patch"} == granted
