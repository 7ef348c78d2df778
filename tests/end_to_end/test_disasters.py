"""Disaster recovery tried on the embedded default, with the steps and in the order that docs/operations.md gives, each timed.

`pytest -m full -s tests/end_to_end/test_disasters.py` prints how long each step took.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from control_plane.databases.names import database_name
from control_plane.embedded.databases import PLATFORM
from dentalpin_kit.postgres import EmbeddedServer
from tests.support.installation import Platform, change_modules, create_tenant, finished, send, sign_in, wait_for
from tests.support.postgres import run_sql
from tests.support.runtime_env import make_overlay

pytestmark = pytest.mark.full

TOOK: dict[str, float] = {}


@contextmanager
def timed(step: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    TOOK[step] = time.monotonic() - began


@pytest.fixture
def platform(tmp_path):
    running = Platform(tmp_path / "var", make_overlay(tmp_path / "runtime-env"))
    try:
        yield running.up()
    finally:
        running.down()
        print("\n" + "\n".join(f"{seconds:6.1f} s  {step}" for step, seconds in TOOK.items()))


def server_of(platform: Platform) -> EmbeddedServer:
    return EmbeddedServer(platform.data / "postgres")


def program(platform: Platform, name: str, *arguments: str) -> None:
    server = server_of(platform)
    address = server.address()
    where = ["--host", address.host, "--port", str(address.port), "--username", address.user]
    ended = subprocess.run(
        [str(server.binaries.bindir / name), *where, *arguments],
        env={"PGPASSWORD": address.password},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr


def as_superuser(platform: Platform, *statements: str) -> None:
    run_sql(server_of(platform).address().url(), *statements)


def clinic(platform: Platform, name: str, *patients: str) -> dict:
    email = f"{name.lower()}@example.com"
    finished(platform.api, create_tenant(platform.api, name=name, owner_email=email, modules=["patients"])["operation"])
    tenant = platform.api.get(f"/v1/tenants/{name.lower()}").json()
    add(platform, tenant, *patients)
    return tenant


def add(platform: Platform, tenant: dict, *patients: str) -> None:
    with closing(sign_in(platform.data, tenant["url"], tenant["owner_email"])) as owner:
        for last_name in patients:
            assert owner.post("/api/v1/patients", json={"first_name": "Ana", "last_name": last_name}).status_code == 201


def patients(platform: Platform, tenant: dict) -> list[str]:
    with closing(sign_in(platform.data, tenant["url"], tenant["owner_email"])) as owner:
        return sorted(one["last_name"] for one in owner.get("/api/v1/patients").json()["data"])


def shown(platform: Platform, slug: str) -> dict:
    return send(lambda: platform.api.get(f"/v1/tenants/{slug}")).json()


def back_up(platform: Platform, slug: str) -> str:
    return finished(platform.api, send(lambda: platform.api.post(f"/v1/tenants/{slug}/backups")).json())["result"]["backup"]


def restore_newest(platform: Platform, slug: str) -> None:
    newest = platform.api.get(f"/v1/tenants/{slug}/backups", params={"state": "ready"}).json()["items"][0]["id"]

    def accepted() -> dict | None:
        answer = send(lambda: platform.api.post(f"/v1/tenants/{slug}/backups/{newest}/restore"))
        assert answer.status_code in (202, 409), answer.text
        return answer.json() if answer.status_code == 202 else None

    finished(platform.api, wait_for(accepted, "the restore is begun"))


def at_rest(platform: Platform, slug: str, *chosen: str) -> dict:
    """The tenant, once it runs what was chosen and proves it."""

    def found() -> dict | None:
        tenant = shown(platform, slug)
        return tenant if (tenant["state"], tenant["in_sync"], tenant["chosen"]) == ("active", True, sorted(chosen)) else None

    return wait_for(found, f"{slug} is at rest", seconds=90)


def test_what_is_lost_comes_back(platform, tmp_path):
    sol = clinic(platform, "Sol", "Ruiz")
    back_up(platform, "sol")

    a_clinics_database_is_lost(platform, sol)
    the_platforms_database_is_lost(platform, sol, tmp_path / "platform.dump")
    the_whole_machine_is_lost(platform, tmp_path / "safe")


def a_clinics_database_is_lost(platform, sol):
    as_superuser(platform, f"DROP DATABASE {database_name(UUID(sol['id']))} WITH (FORCE)")
    with timed("a clinic's database: restored from its newest backup"):
        restore_newest(platform, "sol")
    assert patients(platform, sol) == ["Ruiz"]


def the_platforms_database_is_lost(platform, sol, dump: Path):
    with timed("the platform's database: dumped, beforehand"):
        program(platform, "pg_dump", "--format=custom", "--file", str(dump), PLATFORM)

    # What happens since: a module more, a patient more, a clinic more.
    change_modules(platform.api, "sol", "patients", "agenda")
    add(platform, sol, "Vega")
    luna = clinic(platform, "Luna", "Luz")

    platform.command("down")
    server_of(platform).start()
    as_superuser(platform, f"DROP DATABASE {PLATFORM}")
    with timed("the platform's database: made anew and loaded"):
        as_superuser(platform, f"CREATE DATABASE {PLATFORM} OWNER {PLATFORM}", f"REVOKE CONNECT ON DATABASE {PLATFORM} FROM PUBLIC")
        program(platform, "pg_restore", "--dbname", PLATFORM, "--exit-on-error", str(dump))
    server_of(platform).stop()
    with timed("the platform's database: the platform is up again"):
        platform.up()
    with timed("the platform's database: it knows again what the clinic runs"):
        # Nothing is removed from a clinic because the platform forgot about it.
        after = at_rest(platform, "sol", "agenda", "patients")
    assert patients(platform, after) == ["Ruiz", "Vega"]

    # Nobody here knows of the clinic that was opened since; it is served by what keeps it up, with its data.
    assert platform.api.get("/v1/tenants/luna").status_code == 404
    assert httpx2.get(f"{luna['url']}/health/live", timeout=30).status_code == 200


def the_whole_machine_is_lost(platform, safe: Path):
    """What is left: the keys in a safe, a dump of the platform's database, the object store."""
    back_up(platform, "sol")
    safe.mkdir()
    program(platform, "pg_dump", "--format=custom", "--file", str(safe / "platform.dump"), PLATFORM)
    platform.down()
    for kept in ("keys", "objects"):
        shutil.move(platform.data / kept, safe / kept)
    shutil.rmtree(platform.data)

    platform.data.mkdir(mode=0o700)
    for kept in ("keys", "objects"):
        shutil.move(safe / kept, platform.data / kept)
    with timed("the machine: a platform with nothing in it, on another one"):
        platform.up().down()
    server_of(platform).start()
    with timed("the machine: the platform's database loaded"):
        as_superuser(platform, f"DROP DATABASE {PLATFORM}", f"CREATE DATABASE {PLATFORM} OWNER {PLATFORM}")
        program(platform, "pg_restore", "--dbname", PLATFORM, "--exit-on-error", str(safe / "platform.dump"))
    server_of(platform).stop()
    with timed("the machine: the platform is up again"):
        platform.up()
    with timed("the machine: a clinic restored from its newest backup"):
        restore_newest(platform, "sol")
    sol = at_rest(platform, "sol", "agenda", "patients")
    assert patients(platform, sol) == ["Ruiz", "Vega"]
