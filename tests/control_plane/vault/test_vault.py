"""What is sealed opens in its own place only, survives rotation, and is gone when a tenant's key is destroyed."""

import asyncio
import base64
import stat
from types import SimpleNamespace
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import LargeBinary, text

from control_plane.migrations.metadata import metadata
from control_plane.vault.errors import SealBroken, TenantKeyDestroyed, VaultKeyUnknown
from control_plane.vault.keyring import KeyRing, RingInvalid
from control_plane.vault.passes import rotate_due
from control_plane.vault.rotating import AGE, KEPT, SEALED, rotate
from control_plane.vault.vault import Vault, key_name, place

NO_SECRETS = {("idempotent_answer", "body"), ("reseller_brand", "logo")}
SECRET = b"a password of somebody"
GIVEN = "new:" + "B" * 43 + ",old:" + "A" * 43


@pytest.fixture
def vault(platform):
    return platform.vault


@pytest.fixture
async def tenant_id(client, platform):
    body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": []}
    await client.post("/v1/tenants", json=body)
    async with platform.database.transaction() as session:
        return await session.scalar(text("SELECT id FROM tenant"))


def test_what_is_sealed_opens_in_its_own_place_only(vault):
    sealed = vault.seal(SECRET, place("webhook", "sealed", 1))

    assert vault.open(sealed, place("webhook", "sealed", 1)) == SECRET
    assert SECRET not in sealed
    with pytest.raises(SealBroken):
        vault.open(sealed, place("webhook", "sealed", 2))


@pytest.mark.parametrize("position", [0, 2, 3, 30, -1])
def test_an_altered_value_does_not_open(vault, position):
    sealed = bytearray(vault.seal(SECRET, "x"))
    sealed[position] ^= 1
    with pytest.raises((SealBroken, VaultKeyUnknown)):
        vault.open(bytes(sealed), "x")


def test_the_ring_is_a_file_of_its_owner_s_and_another_process_reads_the_same(platform, vault):
    sealed = vault.seal(SECRET, "x")
    file = platform.settings.keys / "vault.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Vault(KeyRing(platform.settings), platform.clock.now).open(sealed, "x") == SECRET


def test_a_process_that_missed_a_rotation_opens_what_was_sealed_after_it(platform, vault):
    vault.seal(SECRET, "x")
    other = Vault(KeyRing(platform.settings), platform.clock.now)
    other.ring.add(platform.clock.now())
    assert vault.open(other.seal(SECRET, "x"), "x") == SECRET
    assert key_name(vault.seal(SECRET, "x")) == other.ring.keys[0].name


async def test_rotating_seals_everything_again_and_a_tenant_s_key_stays_the_same(platform, vault, tenant_id):
    async with platform.database.transaction() as session:
        before = await vault.tenant_key(session, tenant_id)
        done = await rotate(session, vault, at=platform.clock.now())
        sealed = await session.scalar(text("SELECT sealed FROM tenant_key"))
        session.expire_all()
        after = await vault.tenant_key(session, tenant_id)
        again = await rotate(session, vault, at=platform.clock.now())

    assert (done.resealed, key_name(sealed)) == (1, done.key)
    assert before == after
    assert again.key != done.key


async def test_a_key_that_opens_nothing_is_dropped_when_no_backup_needs_it_any_more(platform, vault, clock):
    sealed = vault.seal(SECRET, "kept nowhere")
    async with platform.database.transaction() as session:
        early = await rotate(session, vault, at=clock.now())
        assert vault.open(sealed, "kept nowhere") == SECRET
        late = await rotate(session, vault, at=clock.now() + AGE + KEPT + AGE)

    assert (early.dropped, len(late.dropped)) == ((), 2)
    with pytest.raises(VaultKeyUnknown):
        vault.open(sealed, "kept nowhere")


async def test_a_destroyed_key_is_gone_and_never_made_again(platform, vault, tenant_id):
    async with platform.database.transaction() as session:
        await vault.tenant_key(session, tenant_id)
        first = await vault.destroy_tenant_key(session, tenant_id)
        session.expire_all()
        again = await vault.destroy_tenant_key(session, tenant_id)
        assert await session.scalar(text("SELECT count(*) FROM tenant_key WHERE sealed IS NULL")) == 1
        with pytest.raises(TenantKeyDestroyed):
            await vault.tenant_key(session, tenant_id)
    assert first == again


async def test_two_that_ask_for_a_tenant_s_first_key_get_the_same(platform, vault, tenant_id):
    async def ask():
        async with platform.database.transaction() as session:
            return await vault.tenant_key(session, tenant_id)

    first, *others = await asyncio.gather(*(ask() for _ in range(5)))
    assert set(others) == {first}


def test_a_ring_kept_elsewhere_is_read_and_never_written(platform_settings):
    settings = platform_settings.model_copy(
        update={"vault_keys": platform_settings.__class__(vault_keys=GIVEN, database_url="x").vault_keys}
    )
    ring = KeyRing(settings)
    assert [key.name for key in ring.keys] == ["new", "old"]
    assert not (settings.keys / "vault.json").exists()
    with pytest.raises(RingInvalid, match="DENTALPIN_VAULT_KEYS"):
        ring.add(None)


@pytest.mark.parametrize("given", ["abc", "a:short", GIVEN + ",new:" + "C" * 43, ":" + "A" * 43])
def test_a_ring_that_cannot_be_read_is_said_without_showing_it(platform_settings, given):
    settings = platform_settings.model_copy(update={"vault_keys": SecretStr(given)})
    with pytest.raises(RingInvalid) as refused:
        KeyRing(settings)
    assert "A" * 43 not in str(refused.value)


def test_every_column_of_bytes_is_sealed_again_by_rotation_or_is_no_secret():
    held = {
        (table.name, column.name) for table in metadata.tables.values() for column in table.columns if isinstance(column.type, LargeBinary)
    }
    assert {(table.name, column) for table, column in SEALED} == held - NO_SECRETS, "add it to control_plane.vault.rotating.SEALED"
    assert all(len(table.primary_key.columns) == 1 for table, _ in SEALED)


async def test_the_platform_rotates_by_itself_when_a_key_is_old(platform, vault, clock, tenant_id):
    async with platform.database.transaction() as session:
        await vault.tenant_key(session, tenant_id)
    tools = SimpleNamespace(platform=platform)
    await rotate_due(tools)
    early = len(vault.ring.keys)
    clock.advance(days=AGE.days)
    await rotate_due(tools)
    await rotate_due(tools)

    async with platform.database.transaction() as session:
        assert key_name(await session.scalar(text("SELECT sealed FROM tenant_key"))) == vault.ring.keys[0].name
    assert (early, len(vault.ring.keys)) == (1, 2)


async def test_rotation_on_request_shows_names_and_never_keys(client, vault):
    vault.seal(SECRET, "x")
    done = (await client.post("/v1/vault/rotate")).json()
    shown = await client.get("/v1/vault")

    assert next(key["name"] for key in shown.json()["keys"]) == done["key"]
    assert [key["seals"] for key in shown.json()["keys"]] == [True, False]
    assert all(base64.urlsafe_b64encode(key.secret).decode() not in shown.text for key in vault.ring.keys)


def test_secrets_do_not_show_in_what_is_printed(vault):
    vault.seal(SECRET, str(uuid4()))
    assert vault.ring.keys[0].secret.hex() not in repr(vault.ring.keys)
