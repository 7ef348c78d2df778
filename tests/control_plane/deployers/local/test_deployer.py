"""The deployer's promises to the worker, kept through a real supervisor and a fake runtime."""

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from control_plane.config import Settings
from control_plane.deployers.base import DatabaseAddress, Deployer, DeployerUnavailable, ObservationStatus, Placement, RuntimeRefused
from control_plane.deployers.local.deployer import LocalDeployer
from control_plane.deployers.scram import scram_verifier
from dentalpin_kit.tokens import SigningKey

DATABASE = DatabaseAddress("127.0.0.1", 5432, "t_1", "t_1_owner", "t_1_app")


@pytest.fixture
def tenant(platform):
    return Placement(UUID(platform.tenant), "clinica-sol", "Clínica Sol")


@pytest.fixture
def deployer(settings) -> Deployer:
    return LocalDeployer(Settings(database_url="postgresql://nobody@127.0.0.1/none", data=settings.folder), SigningKey.generate())


def revision(generation: int) -> dict:
    return {"schema": 1, "generation": generation, "modules": []}


async def placed(deployer, tenant, platform, generation=1):
    await deployer.ensure_secrets(tenant.tenant_id)
    await deployer.apply(tenant, revision(generation), DATABASE)
    return await platform.until(lambda now: now["as_asked"])


async def test_what_was_applied_serves_at_its_address(deployer, tenant, platform):
    shown = await placed(deployer, tenant, platform)

    assert await deployer.address(tenant.tenant_id) == f"http://127.0.0.1:{shown['port']}"
    assert (platform.tenant_folder / "secrets" / "app.url").read_text().endswith("@127.0.0.1:5432/t_1")


async def test_the_same_again_changes_nothing_a_newer_one_hands_over_and_an_older_one_is_refused(deployer, tenant, platform):
    first = await placed(deployer, tenant, platform, generation=2)
    await deployer.apply(tenant, revision(2), DATABASE)
    assert platform.pid(await platform.show()) == platform.pid(first)

    await deployer.apply(tenant, revision(3), DATABASE)
    await platform.until(lambda now: now["as_asked"])
    assert len(platform.starts()) == 2

    with pytest.raises(RuntimeRefused, match="Generation 3 was applied"):
        await deployer.apply(tenant, revision(2), DATABASE)


async def test_the_serving_process_attests_with_a_token_for_this_tenant(deployer, tenant, platform):
    shown = await placed(deployer, tenant, platform)

    seen = await deployer.observe(tenant.tenant_id)

    assert seen.status is ObservationStatus.ATTESTED
    assert (seen.attestation.pid, seen.attestation.tenant_id, seen.generation) == (platform.pid(shown), tenant.tenant_id, 1)


async def test_a_database_that_moved_is_noticed(deployer, tenant, platform):
    await placed(deployer, tenant, platform)

    await deployer.apply(tenant, revision(1), DatabaseAddress("127.0.0.1", 6543, "t_1", "t_1_owner", "t_1_app"))
    await platform.until(lambda now: now["as_asked"])

    assert len(platform.starts()) == 2
    assert ":6543/" in (platform.tenant_folder / "secrets" / "owner.url").read_text()


async def test_an_idle_tenant_is_seen_as_idle_and_woken_by_a_request(deployer, tenant, platform):
    platform.behave(idle="nothing-to-do")
    await placed(deployer, tenant, platform)
    (platform.tenant_folder / "nothing-to-do").touch()
    await platform.until(lambda now: now["state"] == "idle")

    seen = await deployer.observe(tenant.tenant_id)
    assert (seen.status, seen.generation) == (ObservationStatus.IDLE, 1)

    answer = await deployer.request(tenant.tenant_id, "POST", "/api/v1/-/invitation", {"email": "ana@example.com"}, "a-token")
    assert answer["data"]["authorization"] == "Authorization: Bearer a-token"


async def test_control_channels_are_those_of_the_runtimes_that_serve(deployer, tenant, platform):
    assert await deployer.control_channels() == {}
    shown = await placed(deployer, tenant, platform)

    assert await deployer.control_channels() == {tenant.tenant_id: urlsplit(shown["control"]).netloc}

    await deployer.stop(tenant.tenant_id)
    assert await deployer.control_channels() == {}


async def test_a_start_that_fails_is_reported_with_its_reason(deployer, tenant, platform):
    platform.behave(fail="migration_failed", reason="lock timeout on patients")
    await deployer.ensure_secrets(tenant.tenant_id)
    await deployer.apply(tenant, revision(1), DATABASE)
    await platform.until(lambda now: now["failures"] > 0)

    seen = await deployer.observe(tenant.tenant_id)

    assert (seen.status, seen.reason) == (ObservationStatus.FAILED, "lock timeout on patients (migration_failed)")
    with pytest.raises(DeployerUnavailable, match="lock timeout"):
        await deployer.request(tenant.tenant_id, "GET", "/health/ready")


async def test_what_the_runtime_refuses_is_not_tried_again(deployer, tenant, platform):
    await placed(deployer, tenant, platform)

    with pytest.raises(RuntimeRefused) as refused:
        await deployer.request(tenant.tenant_id, "GET", "/missing")

    assert refused.value.answered == 404


async def test_a_removed_tenant_leaves_nothing_and_may_be_removed_again(deployer, tenant, platform):
    await placed(deployer, tenant, platform)

    await deployer.stop(tenant.tenant_id)
    await deployer.remove(tenant.tenant_id)
    await deployer.stop(tenant.tenant_id)
    await deployer.remove(tenant.tenant_id)

    assert (await deployer.observe(tenant.tenant_id)).status is ObservationStatus.ABSENT
    assert not platform.tenant_folder.exists()


async def test_without_a_supervisor_the_worker_is_told_to_come_again(tmp_path, tenant):
    settings = Settings(database_url="postgresql://nobody@127.0.0.1/none", data=tmp_path / "elsewhere")

    with pytest.raises(DeployerUnavailable, match="No supervisor"):
        await LocalDeployer(settings, SigningKey.generate()).observe(tenant.tenant_id)


async def test_secrets_are_made_once_even_by_two_at_a_time_and_are_private(deployer, tenant, platform):
    await asyncio.gather(*(deployer.ensure_secrets(tenant.tenant_id) for _ in range(4)))
    files = {file.name: file.read_text() for file in (platform.tenant_folder / "secrets").iterdir()}
    await deployer.ensure_secrets(tenant.tenant_id)

    assert {file.name: file.read_text() for file in (platform.tenant_folder / "secrets").iterdir()} == files
    assert set(files) == {"owner.password", "app.password", "secret.key", "data.key"}
    assert len(files["secret.key"]) >= 32
    assert all(file.stat().st_mode & 0o077 == 0 for file in (platform.tenant_folder / "secrets").iterdir())


async def test_passwords_of_the_next_turn_lie_beside_the_present_ones_until_those_are_forgotten(deployer, tenant, platform):
    folder = platform.tenant_folder / "secrets"
    first, second = await deployer.ensure_secrets(tenant.tenant_id), await deployer.ensure_secrets(tenant.tenant_id, 1)
    assert first != second
    passwords = {file.name: file.read_text() for file in folder.glob("*.password")}
    assert len(set(passwords.values())) == 4

    later = DatabaseAddress("127.0.0.1", 5432, "t_1", "t_1_owner_b", "t_1_app_b", serial=1)
    await deployer.apply(tenant, revision(1), later)
    assert (folder / "app.url").read_text() == f"postgresql://t_1_app_b:{passwords['app.1.password']}@127.0.0.1:5432/t_1"
    for _ in range(2):
        await deployer.forget_secrets(tenant.tenant_id, keep=1)
    assert {file.name for file in folder.glob("*.password")} == {"owner.1.password", "app.1.password"}


async def test_postgresql_accepts_the_verifier_for_its_password(postgres):
    admin = await asyncpg.connect(postgres.admin_url)
    role = "verified_by_scram"
    await admin.execute(f"DROP ROLE IF EXISTS {role}")
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{scram_verifier('swordfish9')}'")
    try:
        server = urlsplit(postgres.admin_url)
        settings = {"host": server.hostname, "port": server.port, "user": role, "database": "postgres"}
        connection = await asyncpg.connect(**settings, password="swordfish9")
        assert await connection.fetchval("select current_user") == role
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**settings, password="wrong")
    finally:
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


async def test_a_tenant_starts_in_the_environment_of_its_release(deployer, tenant, platform, runtime_env, tmp_path):
    other = tmp_path / "other-env"
    (other / "bin").mkdir(parents=True)
    program = (runtime_env / "bin" / "dentalpin").read_text()
    (other / "bin" / "dentalpin").write_text(program.replace("exec ", 'echo "from the other" > other.txt; exec '))
    (other / "bin" / "dentalpin").chmod(0o755)
    await placed(deployer, tenant, platform)
    assert not (platform.tenant_folder / "other.txt").exists()

    await deployer.apply(replace(tenant, environment=str(other)), revision(2), DATABASE)
    await platform.until(lambda now: now["as_asked"])

    assert (platform.tenant_folder / "other.txt").read_text() == "from the other\n"


async def test_an_environment_that_is_gone_is_refused_with_its_place(deployer, tenant, platform, tmp_path):
    await deployer.ensure_secrets(tenant.tenant_id)
    with pytest.raises(RuntimeRefused, match="nowhere holds no bin/dentalpin") as refused:
        await deployer.apply(replace(tenant, environment=str(tmp_path / "nowhere")), revision(1), DATABASE)
    assert refused.value.runtime_code == "environment_missing"


async def test_what_repeating_would_restart_is_known_beforehand(deployer, tenant, platform):
    assert await deployer.would_restart(tenant.tenant_id, DATABASE) is False
    before = await placed(deployer, tenant, platform)

    assert await deployer.would_restart(tenant.tenant_id, DATABASE) is False
    assert await deployer.would_restart(tenant.tenant_id, replace(DATABASE, host="10.0.0.9")) is True
    assert platform.pid(await platform.show()) == platform.pid(before)
