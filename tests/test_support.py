"""The fixtures every other test stands on."""

import asyncpg

from tests.support.postgres import make_template, run_sql


async def test_the_roles_of_a_tenant_are_no_superusers(tenant_database):
    for url in (tenant_database.owner_url, tenant_database.app_url):
        connection = await asyncpg.connect(url)
        assert (
            await connection.fetchval("select rolsuper or rolbypassrls or rolcreatedb from pg_roles where rolname = current_user") is False
        )
        await connection.close()


async def test_the_administrator_creates_databases_without_being_a_superuser(postgres):
    connection = await asyncpg.connect(postgres.admin_url)
    row = await connection.fetchrow("select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user")
    await connection.close()
    assert tuple(row) == (False, True, True)


def test_a_template_is_filled_once(postgres):
    fills = []

    def fill(database):
        fills.append(database.name)
        run_sql(database.owner_url, "CREATE TABLE marker (id int)")

    assert make_template(postgres, "template_of_this_test", fill) == make_template(postgres, "template_of_this_test", fill)
    assert len(fills) == 1
