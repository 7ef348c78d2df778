"""Two logins that take turns: what each may do, what it leaves behind, and that the earlier one lets nobody in once it is closed."""

from uuid import uuid4

import asyncpg
import pytest

from control_plane.databases import SharedServer
from control_plane.deployers.base import RoleVerifiers
from control_plane.deployers.scram import scram_verifier


@pytest.fixture
def server(postgres):
    return SharedServer(postgres.admin_url, bindir=postgres.bindir)


@pytest.fixture
async def tenant(server):
    tenant_id = uuid4()
    yield tenant_id
    await server.drop(tenant_id)


@pytest.fixture
async def connect():
    opened = []

    async def connect(address, who):
        role = address.owner_role if who == "owner" else address.app_role
        secret = secret_of(who, address.serial)
        connection = await asyncpg.connect(host=address.host, port=address.port, database=address.name, user=role, password=secret)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.terminate()


def secret_of(who, serial):
    return f"{who}-secret-{serial}"


async def let_in(server, tenant, serial):
    verifiers = RoleVerifiers(*(scram_verifier(secret_of(who, serial)) for who in ("owner", "app")))
    return await server.ensure(tenant, verifiers, serial)


@pytest.mark.parametrize("serial", [1, 2])
async def test_the_later_passwords_let_in_beside_the_earlier_ones(server, tenant, connect, serial):
    earlier = await let_in(server, tenant, serial - 1)
    before = [await connect(earlier, who) for who in ("owner", "app")]
    later = await let_in(server, tenant, serial)

    for who in ("owner", "app"):
        assert await (await connect(later, who)).fetchval("SELECT 1") == 1
        assert await (await connect(earlier, who)).fetchval("SELECT 1") == 1
    assert [await connection.fetchval("SELECT 1") for connection in before] == [1, 1]
    assert earlier.owner_role != later.owner_role
    assert await server.sessions(tenant, serial) == 4


async def test_whoever_signs_in_as_the_other_login_acts_as_the_role_and_owns_nothing(server, tenant, connect):
    first, second = await let_in(server, tenant, 0), await let_in(server, tenant, 1)
    owner = await connect(second, "owner")
    await owner.execute("CREATE TABLE note (id int); ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO " + first.app_role)
    await owner.execute("CREATE TABLE later (id int)")
    # What a pool does before it hands a connection on.
    await owner.execute("RESET ALL")
    await owner.execute("CREATE TABLE after_reset (id int)")

    assert {row[0] for row in await owner.fetch("SELECT tableowner FROM pg_tables WHERE schemaname = 'public'")} == {first.owner_role}
    app = await connect(second, "app")
    assert await app.fetchval("SELECT current_user::text") == first.app_role
    assert await app.fetchval("SELECT count(*) FROM later") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("CREATE TABLE mine (id int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(f"SET ROLE {first.owner_role}")


async def test_closing_ends_what_is_connected_by_the_earlier_passwords_and_lets_them_in_no_more(server, tenant, connect):
    first = await let_in(server, tenant, 0)
    left_over = await connect(first, "app")
    second = await let_in(server, tenant, 1)
    serving = await connect(second, "app")

    await server.close_logins(tenant, 1)
    await server.close_logins(tenant, 1)

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await left_over.fetchval("SELECT 1")
    for who in ("owner", "app"):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await connect(first, who)
    assert await serving.fetchval("SELECT 1") == 1
    assert (await server.sessions(tenant, 1), await server.sessions(tenant, 2)) == (0, 1)


async def test_a_password_of_two_rotations_ago_lets_nobody_in(server, tenant, connect):
    first = await let_in(server, tenant, 0)
    for serial in (1, 2):
        await let_in(server, tenant, serial)
        await server.close_logins(tenant, serial)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(first, "app")


async def test_a_database_set_up_anew_in_the_middle_of_a_turn_lets_in_by_that_turn_only(server, tenant, connect):
    address = await let_in(server, tenant, 3)
    assert await (await connect(address, "app")).fetchval("SELECT current_user::text") == server.address(tenant).app_role
    with pytest.raises(asyncpg.PostgresError):
        await connect(server.address(tenant), "app")


async def test_one_tenant_cannot_take_the_servers_connections(server, tenant, connect, monkeypatch):
    monkeypatch.setattr("control_plane.databases.shared.CONNECTIONS", 2)
    for serial in (0, 1):
        address = await let_in(server, tenant, serial)
        held = [await connect(address, "app") for _ in range(2)]
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await connect(address, "app")
        # Its owner's are its own: migrations and dumps go on.
        assert await (await connect(address, "owner")).fetchval("SELECT 1") == 1
        assert len(held) == 2


async def test_nothing_of_either_login_is_left_when_the_database_is_dropped(server, tenant, connect, postgres):
    await let_in(server, tenant, 0)
    await let_in(server, tenant, 1)
    await server.drop(tenant)
    admin = await asyncpg.connect(postgres.admin_url)
    left = await admin.fetchval("SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1)", f"tenant_{tenant.hex}")
    await admin.close()
    assert left == 0
