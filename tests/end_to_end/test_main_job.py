"""The product's main job: a clinic signs up, gets its own runtime, changes its modules, and takes its leave."""

import asyncio
from contextlib import closing

import httpx2
import pytest

from app.testing.snapshots import BOOKS, rows_of, schema_of
from tests.support.installation import change_modules, create_tenant, finished, sign_in, wait_for
from tests.support.runtime_env import INVENTORY, add_distribution

CLIENTS = 8
OWNERS = frozenset({"core_table_owner"})
"""Says when a table was made: a restore makes it anew."""


def owner_url(platform, tenant_id: str) -> str:
    return (platform.data / "tenants" / tenant_id / "secrets" / "owner.url").read_text().strip()


def test_a_spanish_clinic_gets_what_it_chose_what_that_needs_and_nothing_else(platform):
    created = create_tenant(platform.api, name="Clínica Sol", modules=["agenda"])
    finished(platform.api, created["operation"])

    tenant = platform.api.get("/v1/tenants/clinica-sol").json()

    assert tenant["state"] == "active"
    assert {module["name"]: module["reason"]["kind"] for module in tenant["desired"]["modules"]} == {
        "patients": "needed_by",
        "agenda": "chosen",
    }
    assert {module["name"] for module in tenant["observed"]["modules"] if module["state"] == "installed"} == {"agenda", "patients"}
    assert tenant["observed"]["identity"] == tenant["desired"]["identity"]
    with closing(sign_in(platform.data, tenant["url"])) as owner:
        assert owner.get("/api/v1/patients").status_code == 200
        active = owner.get("/api/v1/modules/-/active").json()["data"]
        assert {module["name"] for module in active["modules"]} == {"agenda", "patients"}
        assert owner.get("/api/v1/inventory/items").status_code == 404


def test_the_owner_s_link_works_once_and_an_address_can_be_corrected_before(platform):
    created = create_tenant(platform.api, name="Clínica Luna", owner_email="typo@example.com", modules=[])
    finished(platform.api, created["operation"])
    answer = platform.api.post("/v1/tenants/clinica-luna/invitation", json={"owner_email": "luna@example.com"})
    assert answer.status_code == 202, answer.text
    finished(platform.api, answer.json()["operation"])
    url = platform.api.get("/v1/tenants/clinica-luna").json()["url"]

    sign_in(platform.data, url, "luna@example.com").close()

    refused = httpx2.post(f"{url}/api/v1/auth/login", json={"email": "typo@example.com", "password": "correct horse battery staple"})
    assert refused.status_code == 401
    again = platform.api.post("/v1/tenants/clinica-luna/invitation", json={})
    assert again.status_code == 409, again.text


async def test_a_module_comes_and_goes_alone_and_nobody_notices(platform):
    """Tables and revisions of `inventory` come, go, and come back with equal rows, while eight clients go on working."""
    created = create_tenant(platform.api, name="Clínica Mar", modules=["agenda"])
    finished(platform.api, created["operation"])
    tenant = platform.api.get("/v1/tenants/clinica-mar").json()
    url = owner_url(platform, tenant["id"])
    owner = sign_in(platform.data, tenant["url"])
    for number in range(5):
        made = owner.post("/api/v1/patients", json={"first_name": "Ana", "last_name": f"Ruiz {number}"})
        assert made.status_code == 201, made.text
    add_distribution(platform.runtime_env, INVENTORY)
    assert platform.api.post("/v1/releases/refresh").status_code in (200, 201)
    before_schema, before_rows = await schema_of(url), await rows_of(url)

    async with looping_clients(tenant["url"], owner.headers["Authorization"]) as clients:
        await asyncio.to_thread(change_modules, platform.api, "clinica-mar", "agenda", "inventory")
        item = await asyncio.to_thread(owner.post, "/api/v1/inventory/items", json={"code": "X-1", "name": "Widget ñ 'quoted'"})
        assert item.status_code == 201, item.text
        with_rows = await rows_of(url, without=BOOKS | OWNERS)
        assert any(table.startswith("inventory_") for table in with_rows)

        await asyncio.to_thread(change_modules, platform.api, "clinica-mar", "agenda")
        assert await schema_of(url) == before_schema
        assert await rows_of(url) == before_rows

        await asyncio.to_thread(change_modules, platform.api, "clinica-mar", "agenda", "inventory")
        restored = await asyncio.to_thread(platform.dentalpin, "clinica-mar", "modules", "restore", "inventory")
        assert restored.returncode == 0, restored.stdout + restored.stderr
        assert await rows_of(url, without=BOOKS | OWNERS) == with_rows

    assert clients.failures == []
    assert clients.answered > 100
    owner.close()


class looping_clients:
    """Clients that read patients again and again; they retry only on an idle connection that was closed."""

    def __init__(self, url: str, authorization: str) -> None:
        self.url, self.headers = url, {"Authorization": authorization}
        self.failures: list[str] = []
        self.answered = 0
        self._stop = asyncio.Event()

    async def __aenter__(self) -> "looping_clients":
        self._tasks = [asyncio.create_task(self._loop()) for _ in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _loop(self) -> None:
        async with httpx2.AsyncClient(base_url=self.url, headers=self.headers, timeout=30) as client:
            used_connection = False
            while not self._stop.is_set():
                try:
                    answer = await client.get("/api/v1/patients")
                except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError) as error:
                    # The server may close a connection that waits for its next request; a fresh one must work.
                    if not used_connection:
                        self.failures.append(f"fresh connection: {error!r}")
                    used_connection = False
                    continue
                except httpx2.HTTPError as error:
                    self.failures.append(repr(error))
                    continue
                used_connection = answer.headers.get("connection") != "close"
                self.answered += 1
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code} {answer.text[:200]}")


def test_a_plan_says_what_would_change_and_writes_nothing(platform):
    created = create_tenant(platform.api, name="Clínica Plan", modules=[])
    finished(platform.api, created["operation"])
    before = platform.api.get("/v1/tenants/clinica-plan").json()

    plan = platform.api.post("/v1/tenants/clinica-plan/plan", json={"modules": ["agenda"]})

    assert plan.status_code == 200, plan.text
    assert {"agenda", "patients"} <= {entry["name"] for entry in plan.json()["install"]}
    assert platform.api.get("/v1/tenants/clinica-plan").json()["desired"] == before["desired"]


def test_deleting_keeps_a_final_dump_and_leaves_nothing_else(platform):
    created = create_tenant(platform.api, name="Clínica Adiós", modules=[])
    finished(platform.api, created["operation"])
    tenant = platform.api.get("/v1/tenants/clinica-adios").json()

    answer = platform.api.delete("/v1/tenants/clinica-adios", params={"at_once": True, "confirm": "clinica-adios"})

    assert answer.status_code == 202, answer.text
    operation = finished(platform.api, answer.json()["operation"])
    kept = operation["result"]["final_dump"]
    assert kept["format"] == "archive"
    assert (platform.data / "objects" / kept["path"]).stat().st_size > kept["bytes"]
    assert platform.api.get("/v1/tenants/clinica-adios").json()["final_dump"]["path"] == kept["path"]
    assert not (platform.data / "tenants" / tenant["id"] / "secrets").exists()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(tenant["url"])


def test_the_second_start_finds_everything(platform):
    created = create_tenant(platform.api, name="Clínica Sigue", modules=["agenda"])
    finished(platform.api, created["operation"])
    url = platform.api.get("/v1/tenants/clinica-sigue").json()["url"]

    platform.down()
    platform.up()

    assert platform.api.get("/v1/tenants/clinica-sigue").json()["url"] == url
    assert wait_for(lambda: httpx2.get(f"{url}/health/ready", timeout=30).status_code == 200, "the clinic answers after a restart")
