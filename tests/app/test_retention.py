"""Every table of the core has a retention, and what has served its time goes."""

import asyncpg

from app.core.retention import KEPT, KEPT_ELSEWHERE, prune
from tests.support.app import clinic_app, request_database

__all__ = ["clinic_app", "request_database"]


async def test_every_table_of_the_core_says_how_long_it_is_kept(core_schema):
    connection = await asyncpg.connect(core_schema.owner_url)
    tables = {row["tablename"] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    await connection.close()
    listed = [kept.table for kept in (*KEPT, *KEPT_ELSEWHERE)]
    assert sorted(listed) == sorted(tables), "add the table to app.core.retention, or take it out"


async def test_what_has_served_its_time_goes_and_the_rest_stays(clinic_app):
    ana = await clinic_app.add_user()
    day = "interval '1 day'"
    for ago, name in ((0, "kept"), (400, "old")):
        when = f"now() - {ago} * {day}"
        await clinic_app.sql(
            f"INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at) VALUES ($1, gen_random_uuid(), $2, {when})", ana, name
        )
        await clinic_app.sql(
            f"INSERT INTO account_links (user_id, purpose, token_hash, expires_at) VALUES ($1, 'invitation', $2, {when})", ana, name
        )
        await clinic_app.sql(f"INSERT INTO sign_in_attempts VALUES ($1, 1, {when} + interval '1 minute')", name)
        await clinic_app.sql(f"INSERT INTO access_log (event, created_at) VALUES ('signed_in', {when})")
    await clinic_app.sql(f"INSERT INTO second_factors (user_id, sealed, created_at) VALUES ($1, 'x', now() - 2 * {day})", ana)

    assert await prune(clinic_app.database) == {
        "refresh_tokens": 1,
        "account_links": 1,
        "sign_in_attempts": 1,
        "access_log": 1,
        "second_factors": 1,
    }
    assert await prune(clinic_app.database) == {}


async def test_the_trail_is_kept_for_three_months_whoever_asks_otherwise(clinic_app):
    await clinic_app.sql("INSERT INTO access_log (event, created_at) VALUES ('signed_in', now() - interval '80 days')")
    connection = await asyncpg.connect(clinic_app.schema.app_url)
    assert await connection.fetchval("SELECT core_prune_access_log(0)") == 0
    await connection.close()
