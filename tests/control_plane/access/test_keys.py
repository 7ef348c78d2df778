"""Operator keys, and the first of them."""

import stat

import httpx2
import pytest

from control_plane.access import new_secrets
from control_plane.access.service import authenticate, ensure_first_key, key_in
from control_plane.access.signing import load_signing_key
from control_plane.config import Settings
from control_plane.vault.keyring import KeyRing


async def test_a_key_works_until_it_is_revoked_and_is_nowhere_stored(client, platform):
    made = (await client.post("/v1/keys", json={"name": "Ana"})).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    before = await client.get("/v1/modules", headers=headers)
    revoked = await client.delete(f"/v1/keys/{made['prefix']}")
    after = await client.get("/v1/modules", headers=headers)
    listed = (await client.get("/v1/keys")).json()["items"]

    assert (before.status_code, revoked.status_code, after.status_code) == (200, 200, 401)
    assert made["key"].startswith(made["prefix"])
    assert all("key" not in one for one in listed)


async def test_the_first_key_lies_in_a_file_of_its_owner_s(client, platform):
    file = platform.settings.first_key_file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    answer = await client.get("/v1/modules", headers={"Authorization": f"Bearer {file.read_text().strip()}"})
    assert answer.status_code == 200


async def test_a_start_that_died_before_storing_the_first_key_is_finished(platform):
    file = platform.settings.first_key_file
    try:
        async with platform.database.transaction() as session:
            await ensure_first_key(session, key_in(file), at=platform.clock.now())
            raise httpx2.TransportError("died here")
    except httpx2.TransportError:
        pass
    written = file.read_text()

    for _ in range(2):
        async with platform.database.transaction() as session:
            await ensure_first_key(session, key_in(file), at=platform.clock.now())

    assert file.read_text() == written
    async with platform.database.transaction() as session:
        assert (await authenticate(session, f"Bearer {written.strip()}", at=platform.clock.now())).kind == "operator"


def test_the_signing_key_is_made_once(tmp_path):
    first, again = load_signing_key(tmp_path / "keys"), load_signing_key(tmp_path / "keys")
    assert first == again
    assert stat.S_IMODE((tmp_path / "keys" / "platform-signing.key").stat().st_mode) == 0o600


def test_secrets_that_somebody_else_keeps_are_taken_from_the_environment(tmp_path, monkeypatch):
    made = new_secrets.make()
    for name, value in {**made, "DATABASE_URL": "postgresql://nobody@localhost/none"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings(data=tmp_path)
    assert settings.operator_key is not None
    assert settings.operator_key.get_secret_value() == made["DENTALPIN_OPERATOR_KEY"]
    assert load_signing_key(settings.keys, made["DENTALPIN_SIGNING_KEY"]).private == made["DENTALPIN_SIGNING_KEY"]
    assert [key.name for key in KeyRing(settings).keys] == ["first"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("weak", ["dpk_short", "x" * 60, "dpk_" + "a" * 39])
def test_a_first_key_somebody_could_guess_is_refused(weak):
    with pytest.raises(ValueError, match="new_secrets"):
        Settings(database_url="postgresql://nobody@localhost/none", operator_key=weak)
