"""What is handed to somebody who helps holds no secret and nothing of patients or owners, wherever it was hidden."""

import io
import json
import zipfile

import pytest
from rich.console import Console
from sqlalchemy import text

from control_plane.cli.following import draw
from control_plane.cli.redacting import GONE, redact
from control_plane.mail import outbox
from tests.control_plane.cli.test_commands import CREATE, cloud

__all__ = ["cloud"]

PLANTED = {
    "patient": "Íñigo Zabaleta",
    "password": "hunter2-correct-horse",
    "key": "dpk_0a1b2c3dAbCdEfGhIjKlMnOpQrSt",
    "token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl",
    "owner": "ana@sol.example",
    "hook": "hook-secret-in-the-address",
    "tax id": "B12345674",
    "phone": "+34 600 123 456",
}
REASON = (
    f"duplicate key violates uq_patients: Key (name)=({PLANTED['patient']}) exists; postgresql://dp_owner:{PLANTED['password']}@db/x; "
    f"Authorization: Bearer {PLANTED['key']}; token={PLANTED['token']}; write to {PLANTED['owner']} or {PLANTED['phone']} "
    f"about '{PLANTED['patient']}' ({PLANTED['tax id']})"
)


async def test_planted_secrets_and_patients_are_not_in_the_bundle(cloud, platform, tmp_path):
    created = json.loads((await cloud("--json", *CREATE))[1])
    await cloud("webhooks", "create", "--url", f"https://93.184.216.34/?key={PLANTED['hook']}", "--contact", PLANTED["owner"])
    async with platform.database.transaction() as session:
        mine = {"name": PLANTED["patient"], "tax_id": PLANTED["tax id"]}
        await session.execute(text("UPDATE tenant SET name = :name, tax_id = :tax_id"), mine)
        await session.execute(text("UPDATE operation SET reason = :reason, error_code = 'unexpected'"), {"reason": REASON})
        await session.execute(text("UPDATE operation_step SET reason = :reason WHERE position = 0"), {"reason": REASON})
        told = {"to": PLANTED["owner"], "template": "invitation", "locale": "es", "clinic": PLANTED["patient"]}
        await outbox.send(session, key="k", at=platform.clock.now(), link=f"http://x/?token={PLANTED['token']}", days=7, **told)
    bundle = tmp_path / "support.zip"

    status, said, _ = await cloud("support-bundle", "--output", str(bundle))

    assert (status, "operations.json" in said) == (0, True)
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    for what, secret in PLANTED.items():
        for name, content in contents.items():
            assert secret not in content, f"{what} in {name}"
            assert json.dumps(secret)[1:-1] not in content, f"{what} in {name}"
    (operation,) = json.loads(contents["operations.json"])
    assert (operation["id"], operation["error_code"], operation["tenant"]) == (created["operation"]["id"], "unexpected", "sol")
    assert operation["reason"].startswith("duplicate key violates uq_patients")
    assert [one["slug"] for one in json.loads(contents["tenants.json"])] == ["sol"]
    assert "not_available" not in "".join(contents.values())
    assert bundle.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "kept",
    [
        "The tenant is deleting; wait until its operation 4e4b9e1c-6a4e-4a53-8e0e-1f9b1c2d3e4f is over.",
        "No answer within 10 seconds.",
        "Not done within 15 minutes; it stood at attest: agenda failed to migrate.",
    ],
)
def test_an_ordinary_reason_stays_readable(kept):
    assert redact(kept) == kept


def test_texts_inside_of_lists_and_objects_are_redacted_too():
    assert redact({"a": ["mail eva@b.example", 3, None]}) == {"a": [f"mail {GONE}", 3, None]}


def test_progress_is_a_bar_on_a_terminal():
    def steps(*states):
        names = ("deploy", "attest")
        return [{"name": name, "state": state, "reason": None} for name, state in zip(names, states, strict=True)]

    events = [
        {"kind": "upgrade", "state": "running", "steps": steps("running", "pending")},
        {"kind": "upgrade", "state": "running", "steps": steps("done", "running")},
        {"kind": "upgrade", "state": "succeeded", "steps": steps("done", "done")},
    ]
    screen = io.StringIO()
    last = draw(iter(events), Console(file=screen, force_terminal=True, width=100))
    assert last["state"] == "succeeded"
    assert "2/2" in screen.getvalue()
    assert "upgrade: succeeded" in screen.getvalue()
