"""kill -9 at every moment of an operation: whatever dies, the desired revision is reached, and nothing is lost or doubled.

The worker and the runtime kill themselves at fault points. For the supervisor, PostgreSQL and the API the worker pauses at the point,
the test kills the other process, and lets the worker go on. One of each kind runs always; the whole matrix with `./dev test --full`.
"""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.platform import Platform, change_modules, create_tenant, finished, sign_in, wait_for
from tests.support.runtime_env import INVENTORY, make_overlay
from tests.support.snapshots import rows_of, schema_of

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


def matrix(cases: list, always: set) -> list:
    return [pytest.param(case, marks=() if case in always else pytest.mark.full, id=str(case)) for case in cases]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One data folder for all cases; the platform is started anew for each, since the fault is armed at its start."""
    folder = tmp_path_factory.mktemp("chaos")
    platform = Platform(folder / "var", make_overlay(folder / "runtime-env", INVENTORY))
    try:
        yield platform
    finally:
        platform.down()
        shutil.rmtree(folder, ignore_errors=True)


class Armed:
    """A fault armed in every process of the platform, firing once."""

    def __init__(self, platform: Platform, folder: Path, point: str, action: str) -> None:
        self.marker = folder / "fired"
        platform.down()
        platform.up(DENTALPIN_FAULT=f"{point}:{action}", DENTALPIN_FAULT_ONCE=str(self.marker))

    def reached(self) -> None:
        wait_for(self.marker.exists, "the fault point is reached")

    def let_go(self) -> None:
        self.marker.with_name("fired.go").touch()


def life_of_a_clinic(platform: Platform, name: str) -> str:
    """Provision, add a module, remove it; the slug."""
    created = create_tenant(platform.api, name=name, modules=["agenda"])
    finished(platform.api, created["operation"], seconds=150)
    slug = created["tenant"]["slug"]
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
    with sign_in(platform.data, tenant["url"], f"{slug}@example.com") as owner:
        assert owner.get("/api/v1/patients").status_code == 200


@pytest.fixture(scope="session")
def undisturbed(installation) -> tuple[object, object]:
    installation.up()
    return everything_of(installation, life_of_a_clinic(installation, "Undisturbed"))
