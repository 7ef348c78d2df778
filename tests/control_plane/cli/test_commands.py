"""`dentalpin-cloud` against the API, served in this process."""

import asyncio
import json

import pytest
import uvicorn

from control_plane.access.service import create_key
from control_plane.cli.main import main
from control_plane.databases import SharedServer
from control_plane.main import create_app
from control_plane.operations.worker import Worker


@pytest.fixture
async def cloud(platform, capsys):
    """Run a command; (exit status, what it printed, what it complained)."""
    async with platform.database.transaction() as session:
        _, key = await create_key(session, "tests", at=platform.clock.now())
    server = uvicorn.Server(uvicorn.Config(create_app(platform), port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn tells by a flag, not by an event
        await asyncio.sleep(0)
    where = ["--url", f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", "--key", key]

    def run(arguments):
        try:
            main([*where, *arguments])
        except SystemExit as left:
            return left.code or 0
        return 0

    async def cloud(*arguments):
        status = await asyncio.to_thread(run, arguments)
        return status, *capsys.readouterr()

    yield cloud
    server.should_exit = True
    await serving


@pytest.fixture
async def working(platform, postgres):
    stop = asyncio.Event()
    databases = SharedServer(postgres.admin_url, bindir=postgres.bindir)
    running = asyncio.create_task(Worker(platform, databases).run(stop))
    yield
    stop.set()
    await running


CREATE = ("tenants", "create", "Clínica Sol", "--slug", "sol", "--country", "ES", "--owner-email", "ana@sol.example", "--module", "agenda")


async def test_a_clinic_from_opening_to_deletion(cloud, working):
    assert (await cloud(*CREATE, "--wait"))[0] == 0
    _, shown, _ = await cloud("tenants", "get", "sol")
    assert shown.startswith("sol  active  http://")
    assert "Needed by agenda." in shown

    _, plan, _ = await cloud("tenants", "plan", "sol", "inventory")
    assert "install    inventory" in plan
    assert "41.00 → 50.00 EUR" in plan

    status, followed, _ = await cloud("tenants", "set-modules", "sol", "inventory", "--wait")
    assert (status, "attest    done" in followed) == (0, True)
    assert "Nothing had to be done." in (await cloud("tenants", "set-modules", "sol", "inventory"))[1]

    _, invited, _ = await cloud("tenants", "invite", "sol", "--owner-email", "eva@sol.example", "--wait", "--json")
    assert '"owner_email": "eva@sol.example"' in invited

    status, gone, _ = await cloud("tenants", "delete", "sol", "--yes", "--wait")
    assert (status, "sol  closing" in gone, "until then: dentalpin-cloud tenants undo-deletion sol" in gone) == (0, True, True)
    status, back, _ = await cloud("tenants", "undo-deletion", "sol", "--wait")
    assert (status, "attest    done" in back) == (0, True)


async def test_a_refusal_is_one_sentence_and_a_failed_command(cloud):
    status, printed, complained = await cloud(*CREATE, "--module", "nonsense")
    assert (status, printed) == (1, "")
    assert complained.startswith("The release has no module nonsense.")


async def test_operations_can_be_looked_at(cloud):
    created = json.loads((await cloud("--json", *CREATE))[1])
    _, shown, _ = await cloud("operations", "get", created["operation"]["id"])
    assert "secrets   pending" in shown
    status, _, complained = await cloud("operations", "retry", created["operation"]["id"])
    assert (status, "can be retried" in complained) == (1, True)


async def test_keys_are_made_listed_and_revoked(cloud):
    key = (await cloud("keys", "create", "Ana"))[1].strip()
    assert key.startswith("dpk_")
    assert (await cloud("keys", "revoke", key[:12]))[0] == 0
    listed = json.loads((await cloud("keys", "list"))[1])
    assert next(one for one in listed if one["prefix"] == key[:12])["revoked_at"] is not None


async def test_the_law_and_the_modules_can_be_asked(cloud):
    _, law, _ = await cloud("compliance", "ES", "--on", "2027-01-02")
    assert json.loads(law)["country"] == "ES"
    assert "12.00 EUR" in (await cloud("modules"))[1]


def test_without_a_platform_it_says_where_to_look(tmp_path, capsys, monkeypatch):
    for name in ("DENTALPIN_CLOUD_URL", "DENTALPIN_CLOUD_KEY", "DENTALPIN_CLOUD_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path), "modules"])
    assert "No platform was started on" in capsys.readouterr().err


def test_help_needs_no_platform(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DENTALPIN_DATA", str(tmp_path))

    with pytest.raises(SystemExit) as left:
        main(["tenants", "create", "--help"])

    assert not left.value.code
    assert "--country" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [("refresh",), ("modules",), ("compliance", "ES"), ("keys", "list"), ("tenants", "list"), ("keys", "create", "Ana")]
)
async def test_every_command_takes_json(cloud, command):
    status, shown, complained = await cloud(*command, "--json")

    assert (status, complained) == (0, "")
    assert json.loads(shown) is not None


async def test_the_audit_is_exported_and_verified_on_the_command_line(cloud, tmp_path):
    await cloud(*CREATE)
    file = tmp_path / "audit.jsonl"
    head = (await cloud("audit", "head"))[1].strip()
    assert (await cloud("audit", "export", str(file)))[0] == 0
    assert "1 entries" in (await cloud("audit", "verify", "--head", head))[1]

    file.write_text(file.read_text().replace('"slug":"sol"', '"slug":"luna"'))
    status, _, complaint = await cloud("audit", "verify", str(file))
    assert (status, "entry 1 is not what was written" in complaint) == (1, True)
