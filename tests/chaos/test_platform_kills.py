"""kill -9 at every moment of an operation: whatever dies, the desired revision is reached, and nothing is lost or doubled.

The worker and the runtime kill themselves at fault points. For the supervisor, PostgreSQL and the API the worker pauses at the point,
the test kills the other process, and lets the worker go on. One of each kind runs always; the whole matrix with `./dev test --full`.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.testing.snapshots import rows_of, schema_of
from tests.support.installation import Platform, change_modules, create_tenant, finished, sign_in, wait_for
from tests.support.runtime_env import INVENTORY, make_overlay

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.timeout(600)]

PROVISION = ("secrets", "database", "deploy", "attest", "invite")
CHANGE = ("deploy", "attest")
INSTALL = ("migrate", "seed", "lifecycle", "finalize")
UNINSTALL = ("backup", "lifecycle", "delete_data", "migrate_down", "finalize")
MOMENTS = ("before", "after")

WORKER = [f"worker.provision.{step}.{moment}" for step in PROVISION for moment in MOMENTS]
WORKER += [f"worker.change_modules.{step}.{moment}" for step in CHANGE for moment in MOMENTS]
RUNTIME = [f"processor.install.{step}.{moment}" for step in INSTALL for moment in MOMENTS]
RUNTIME += [f"processor.uninstall.{step}.{moment}" for step in UNINSTALL for moment in MOMENTS]
OTHERS = [(victim, point) for victim in ("postgres", "supervisor", "api") for point in WORKER]

ALWAYS = {
    *(f"worker.provision.{step}.after" for step in PROVISION),
    *(f"worker.change_modules.{step}.before" for step in CHANGE),
    *(f"processor.install.{step}.after" for step in INSTALL),
    *(f"processor.uninstall.{step}.after" for step in UNINSTALL),
}
OTHERS_ALWAYS = {
    ("postgres", "worker.provision.database.after"),
    ("postgres", "worker.change_modules.deploy.after"),
    ("supervisor", "worker.provision.deploy.after"),
    ("supervisor", "worker.change_modules.deploy.after"),
    ("api", "worker.provision.deploy.before"),
}


def matrix(cases: list[tuple[str, ...]], always: set[tuple[str, ...]]) -> list[Any]:
    """Parameters of a test: what is not in `always` belongs to the exhaustive matrix."""
    return [pytest.param(*case, marks=() if case in always else pytest.mark.full, id="-".join(case)) for case in cases]


class Installation(Platform):
    """A platform in which any process can be armed while it runs."""

    def __init__(self, folder: Path) -> None:
        self.armed = folder / "armed"
        environment = make_overlay(folder / "runtime-env", INVENTORY)
        # Clinics of earlier cases leave soon: a kill should cost what one clinic costs.
        super().__init__(folder / "var", environment, DENTALPIN_FAULT=f"@{self.armed}", DENTALPIN_IDLE_AFTER="3")

    def arm(self, point: str, action: str) -> None:
        for left in self.armed.parent.glob("armed*"):
            left.unlink()
        self.armed.write_text(f"{point}:{action}")

    @property
    def fired(self) -> bool:
        return self.armed.with_name("armed.fired").exists()

    def let_go(self) -> None:
        self.armed.with_name("armed.go").touch()


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("chaos")
    platform = Installation(folder)
    try:
        platform.up()
        yield platform
    finally:
        platform.down()
        shutil.rmtree(folder, ignore_errors=True)


def slug_of(*case: str) -> str:
    """A slug that is short enough and tells the cases apart."""
    return f"{case[-1].split('.')[-2].replace('_', '-')}-{hashlib.sha256(repr(case).encode()).hexdigest()[:8]}"


def life_of_a_clinic(platform: Platform, slug: str) -> str:
    """Provision, add a module, remove it; the slug."""
    name = slug.title()
    created = create_tenant(platform.api, name=name, slug=slug, owner_email=f"{slug}@example.com", modules=["agenda"])
    finished(platform.api, created["operation"], seconds=150)
    change_modules(platform.api, slug, "agenda", "inventory")
    change_modules(platform.api, slug, "agenda")
    return slug


def everything_of(platform: Platform, slug: str) -> tuple[object, object]:
    tenant = platform.api.get(f"/v1/tenants/{slug}").json()
    url = (platform.data / "tenants" / tenant["id"] / "secrets" / "owner.url").read_text().strip()
    rows = asyncio.run(rows_of(url))
    # Identities are made anew for each clinic; their number is what may not differ.
    return asyncio.run(schema_of(url)), {table: len(found) for table, found in rows.items()}


def assert_converged(platform: Platform, slug: str, undisturbed: tuple[object, object]) -> None:
    tenant = platform.api.get(f"/v1/tenants/{slug}").json()
    assert tenant["state"] == "active"
    assert tenant["observed"]["identity"] == tenant["desired"]["identity"]
    assert everything_of(platform, slug) == undisturbed
    mails = [mail for mail in (platform.data / "mail").rglob("*.eml") if slug in mail.read_text(errors="replace")]
    assert len(mails) >= 1
    with closing(sign_in(platform.data, tenant["url"], f"{slug}@example.com")) as owner:
        assert owner.get("/api/v1/patients").status_code == 200


@pytest.fixture(scope="session")
def undisturbed(installation) -> tuple[object, object]:
    """Schema and number of rows after the same life without a fault."""
    return everything_of(installation, life_of_a_clinic(installation, "undisturbed"))


@pytest.mark.parametrize("point", matrix([(point,) for point in WORKER + RUNTIME], {(point,) for point in ALWAYS}))
def test_a_process_that_kills_itself_at(installation, undisturbed, point):
    installation.arm(point, "kill")

    slug = life_of_a_clinic(installation, slug_of(point))

    assert installation.fired
    assert_converged(installation, slug, undisturbed)


@pytest.mark.parametrize(("victim", "point"), matrix(OTHERS, OTHERS_ALWAYS))
def test_killing_another_process_while_the_worker_is_at(installation, undisturbed, victim, point):
    installation.arm(point, "pause")
    killer = threading.Thread(target=kill_when_reached, args=(installation, victim))
    killer.start()

    slug = life_of_a_clinic(installation, slug_of(victim, point))

    killer.join()
    assert_converged(installation, slug, undisturbed)


def kill_when_reached(installation: Installation, victim: str) -> None:
    wait_for(lambda: installation.fired, "the worker reaches the point")
    installation.kill(victim)
    installation.let_go()


@pytest.mark.parametrize(
    "point",
    matrix([(point,) for point in WORKER if ".provision." in point and point.endswith("after")], {("worker.provision.database.after",)}),
)
def test_a_platform_that_died_altogether_goes_on_at_its_next_start(installation, undisturbed, point):
    """As after a power cut: every process is killed while the operation stands at the point."""
    installation.arm(point, "pause")
    slug = slug_of("everything", point)
    created = create_tenant(installation.api, name=slug, slug=slug, owner_email=f"{slug}@example.com", modules=["agenda"])
    wait_for(lambda: installation.fired, "the worker reaches the point")
    for process in installation.status()["processes"]:
        os.kill(process["pid"], signal.SIGKILL)
    installation.let_go()

    installation.up()

    finished(installation.api, created["operation"], seconds=150)
    change_modules(installation.api, slug, "agenda", "inventory")
    change_modules(installation.api, slug, "agenda")
    assert_converged(installation, slug, undisturbed)
