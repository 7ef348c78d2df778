"""A whole runtime process: booted from a revision, claimed by its owner, used over real connections."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta

import httpx2
import pytest

from dentalpin_kit.tokens import sign
from tests.support.app import PASSWORD, SECRET
from tests.support.revisions import PLATFORM_KEY, TENANT_ID, revision_document

OWNER = "owner@clinica-sol.example"


@dataclass
class Served:
    """The process and where it answers: to the clinic, and to the platform."""

    process: subprocess.Popen[bytes]
    public: str
    control: str


@pytest.fixture
def runtime(tenant_database, tmp_path):
    """`dentalpin serve` as a deployer starts it, on a socket it inherits; ready when it says so."""
    (tmp_path / "revision.json").write_text(json.dumps(revision_document("patients", "agenda")))
    listening = socket.create_server(("127.0.0.1", 0))
    status, write_status = os.pipe()
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": tenant_database.app_url,
        "OWNER_DATABASE_URL": tenant_database.owner_url,
        "PG_BINDIR": str(tenant_database.bindir),
        "DENTALPIN_SECRET_KEY": SECRET,
        "DENTALPIN_REVISION_FILE": str(tmp_path / "revision.json"),
        "DENTALPIN_STORAGE": str(tmp_path / "storage"),
        "DENTALPIN_LOG_FILE": str(tmp_path / "runtime.log"),
        "DENTALPIN_LISTEN_FD": str(listening.fileno()),
        "DENTALPIN_STATUS_FD": str(write_status),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "app.serve"], env=environment, pass_fds=(listening.fileno(), write_status), stderr=subprocess.PIPE
    )
    os.close(write_status)
    with os.fdopen(status) as events:
        ready = next((event for line in events if (event := json.loads(line))["event"] in ("ready", "failed")), None)
    assert ready is not None, process.communicate()[1].decode()
    assert ready["event"] == "ready", ready
    yield Served(process, f"http://127.0.0.1:{listening.getsockname()[1]}", ready["control"])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    listening.close()
    assert process.returncode == 0


def signed(purpose, **options):
    return sign(PLATFORM_KEY, audience=TENANT_ID, purpose=purpose, lifetime=timedelta(minutes=1), **options)


def test_the_owner_claims_the_clinic_and_works_in_it(runtime, tmp_path):
    invited = httpx2.post(
        f"{runtime.control}/api/v1/-/invitation",
        json={"email": OWNER, "serial": 1},
        headers={"Authorization": f"Bearer {signed('invite')}"},
    )
    assert invited.status_code == 200, invited.text
    link = signed("welcome", subject=OWNER, claims={"serial": 1})
    with httpx2.Client(base_url=runtime.public, follow_redirects=True) as browser:
        home = browser.post("/welcome", data={"token": link, "password": PASSWORD, "password_again": PASSWORD})
        assert home.status_code == 200
        assert "Clínica Sol" in home.text
        assert "Agenda" in home.text
    with httpx2.Client(base_url=runtime.public) as client:
        login = client.post("/api/v1/auth/login", json={"email": OWNER, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {login.json()['data']['access_token']}"
        made = client.post("/api/v1/patients", json={"first_name": "Ana", "last_name": "Ruiz"})
        assert made.status_code == 201, made.text
        assert client.get("/api/v1/patients").json()["total"] == 1
        active = client.get("/api/v1/modules/-/active").json()["data"]
        assert [module["name"] for module in active["modules"]] == ["patients", "agenda"]
        assert client.get("/api/v1/inventory/items").json()["errors"] == [{"code": "not_found"}]
    log = (tmp_path / "runtime.log").read_text()
    assert PASSWORD not in log
    assert link not in log
    assert "Ruiz" not in log
