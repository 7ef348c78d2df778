"""A tenant's runtime as real processes, over an empty database or over one that was booted before."""

import hashlib
import json
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support.postgres import database_from, make_template
from tests.support.revisions import PLATFORM_KEY, revision_document
from tests.support.runtime_process import SERVE, TenantRuntime

VERSIONS = {point.name: point.load().manifest["version"] for point in entry_points(group="dentalpin.modules")}


@pytest.fixture
def asked():
    """The revision that asks for these modules."""

    def document(*modules, **changes):
        return revision_document(*modules, versions=VERSIONS, **changes)

    return document


@pytest.fixture
async def new_runtime(tenant_database, tmp_path):
    """A tenant whose database is empty."""
    tenant = TenantRuntime(tmp_path, tenant_database)
    yield tenant
    await tenant.close()


@pytest.fixture
async def runtime(postgres, tmp_path, asked):
    """A tenant that was booted once, with patients and agenda, generation 1; nothing runs."""
    first = asked("patients", "agenda")
    # Each worker of a test run signs with a key of its own, which the adopted revision names.
    name = f"template_booted_runtime_{hashlib.sha256(PLATFORM_KEY.public.encode()).hexdigest()[:8]}"
    template = make_template(postgres, name, lambda database: boot_once(database, first))
    with database_from(postgres, template) as database:
        tenant = TenantRuntime(tmp_path, database)
        tenant.revise(first)
        yield tenant
        await tenant.close()


def boot_once(database, document):
    """Start a process that leaves as soon as it may."""
    with tempfile.TemporaryDirectory() as folder:
        tenant = TenantRuntime(Path(folder), database, DENTALPIN_PORT="0", DENTALPIN_IDLE_AFTER="0.1")
        (Path(folder) / "revision.json").write_text(json.dumps(document))
        done = subprocess.run([sys.executable, *SERVE], env=tenant.variables(), cwd=folder, capture_output=True, text=True, check=False)
        log = (Path(folder) / "runtime.log").read_text()
        tenant.listening.close()
    assert done.returncode == 0, done.stderr + log
