"""kill -9 at every moment of an operation: whatever dies, the desired revision is reached, and nothing is lost or doubled.

The worker and the runtime kill themselves at fault points. For the supervisor, PostgreSQL and the API the worker pauses at the point,
the test kills the other process, and lets the worker go on. Always: one clinic that suffers one kill after the other, a step each. With
`./dev test --full`: every moment alone, each with a clinic of its own.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.testing.snapshots import rows_of, schema_of
from tests.support.installation import Platform, change_modules, create_tenant, finished, sign_in, wait_for
from tests.support.runtime_env import INVENTORY, make_overlay

pytestmark = pytest.mark.timeout(600)

PROVISION = ("secrets", "database", "deploy", "attest", "invite")
CHANGE = ("deploy", "attest")
INSTALL = ("migrate", "seed", "lifecycle", "finalize")
UNINSTALL = ("backup", "lifecycle", "delete_data", "migrate_down", "finalize")
MOMENTS = ("before", "after")
KILLS_TAKE = 300
"""Seconds after which a point nothing reached fails the test, and not before: the machine may be busy."""

WORKER = [f"worker.provision.{step}.{moment}" for step in PROVISION for moment in MOMENTS]
WORKER += [f"worker.change_modules.{step}.{moment}" for step in CHANGE for moment in MOMENTS]
RUNTIME = [f"processor.install.{step}.{moment}" for step in INSTALL for moment in MOMENTS]
RUNTIME += [f"processor.uninstall.{step}.{moment}" for step in UNINSTALL for moment in MOMENTS]
OTHERS = [(victim, point) for victim in ("postgres", "supervisor", "api") for point in WORKER]

# In the order in which one life meets them.
WORKER_ALWAYS = [f"worker.provision.{step}.after" for step in PROVISION] + [f"worker.change_modules.{step}.before" for step in CHANGE]
RUNTIME_ALWAYS = [f"processor.install.{step}.after" for step in INSTALL] + [f"processor.uninstall.{step}.after" for step in UNINSTALL]
OTHERS_ALWAYS = [
    ("postgres", "worker.provision.database.after"),
    ("api", "worker.provision.deploy.before"),
    ("supervisor", "worker.provision.deploy.after"),
    ("postgres", "worker.change_modules.deploy.before"),
    ("supervisor", "worker.change_modules.deploy.after"),
]


def everyone(cases: list[Any]) -> list[Any]:
    """Parameters of the exhaustive matrix."""
    return [pytest.param(*case, marks=pytest.mark.full, id="-".join(case)) for case in (c if isinstance(c, tuple) else (c,) for c in cases)]


class Installation(Platform):
    """A platform in which any process can be armed while it runs."""

    def __init__(self, folder: Path) -> None:
        self.armed = folder / "armed"
        environment = make_overlay(folder / "runtime-env", INVENTORY)
        # Clinics of earlier cases leave soon, and what a dead worker held is free soon: a kill should cost what one clinic costs.
        quickly = {"DENTALPIN_IDLE_AFTER": "3", "DENTALPIN_LEASE_SECONDS": "5"}
        super().__init__(folder / "var", environment, DENTALPIN_FAULT=f"@{self.armed}", **quickly)

    def arm(self, point: str, action: str) -> None:
        for left in self.armed.parent.glob("armed*"):
            left.unlink()
        self.armed.write_text(f"{point}:{action}")

    @property
    def fired(self) -> bool:
        return self.armed.with_name("armed.fired").exists()

    def let_go(self) -> None:
        """Let a paused process go on; returns when it does."""
        go = self.armed.with_name("armed.go")
        go.touch()
        wait_for(lambda: not go.exists(), "the paused process goes on")


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


# The processor's own deaths, at each of its steps, are in tests/app/plugins/test_processor_crash.py, without a platform around it.
@pytest.mark.parametrize(
    "points", [pytest.param(WORKER_ALWAYS, id="worker"), pytest.param(RUNTIME_ALWAYS, id="runtime", marks=pytest.mark.full)]
)
def test_a_process_that_kills_itself_at_one_step_after_the_other(installation, undisturbed, points):
    with together(kill_itself_at_each, installation, points) as killed:
        slug = life_of_a_clinic(installation, "killed-" + points[0].partition(".")[0])

    assert killed() == points
    assert_converged(installation, slug, undisturbed)


def test_other_processes_killed_one_after_the_other(installation, undisturbed):
    with together(kill_others_at_each, installation, OTHERS_ALWAYS) as killed:
        slug = life_of_a_clinic(installation, "others-killed")

    assert killed() == OTHERS_ALWAYS
    assert_converged(installation, slug, undisturbed)


@pytest.mark.parametrize("point", everyone(WORKER + RUNTIME))
def test_a_process_that_kills_itself_at(installation, undisturbed, point):
    with together(kill_itself_at_each, installation, [point]) as killed:
        slug = life_of_a_clinic(installation, slug_of(point))

    assert killed() == [point]
    assert_converged(installation, slug, undisturbed)


@pytest.mark.parametrize(("victim", "point"), everyone(OTHERS))
def test_killing_another_process_while_the_worker_is_at(installation, undisturbed, victim, point):
    with together(kill_others_at_each, installation, [(victim, point)]) as killed:
        slug = life_of_a_clinic(installation, slug_of(victim, point))

    assert killed() == [(victim, point)]
    assert_converged(installation, slug, undisturbed)


def kill_itself_at_each(installation: Installation, points: list[str], killed: list[str]) -> None:
    for point in points:
        installation.arm(point, "kill")
        wait_for(lambda: installation.fired, f"a process reaches {point}", seconds=KILLS_TAKE)
        killed.append(point)


def kill_others_at_each(installation: Installation, cases: list[tuple[str, str]], killed: list[tuple[str, str]]) -> None:
    for victim, point in cases:
        installation.arm(point, "pause")
        wait_for(lambda: installation.fired, f"the worker reaches {point}", seconds=KILLS_TAKE)
        installation.kill(victim)
        installation.let_go()
        killed.append((victim, point))


@contextmanager
def together(killer: Callable[..., None], installation: Installation, cases: list[Any]) -> Iterator[Callable[[], list[Any]]]:
    """Run the killer beside the body; what it hands out says which cases it got to, once it has ended."""
    killed: list[Any] = []
    thread = threading.Thread(target=killer, args=(installation, cases, killed), daemon=True)
    thread.start()

    def all_killed() -> list[Any]:
        thread.join(timeout=10)
        return killed

    yield all_killed


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=() if point == "worker.provision.database.after" else pytest.mark.full)
        for point in WORKER
        if ".provision." in point and point.endswith("after")
    ],
)
def test_a_platform_that_died_altogether_goes_on_at_its_next_start(installation, undisturbed, point):
    """As after a power cut: every process is killed while the operation stands at the point."""
    installation.arm(point, "pause")
    slug = slug_of("everything", point)
    created = create_tenant(installation.api, name=slug, slug=slug, owner_email=f"{slug}@example.com", modules=["agenda"])
    wait_for(lambda: installation.fired, "the worker reaches the point")
    for process in installation.status()["processes"]:
        os.kill(process["pid"], signal.SIGKILL)

    installation.up()

    finished(installation.api, created["operation"], seconds=150)
    change_modules(installation.api, slug, "agenda", "inventory")
    change_modules(installation.api, slug, "agenda")
    assert_converged(installation, slug, undisturbed)
