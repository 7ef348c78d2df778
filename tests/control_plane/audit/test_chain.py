"""The chain detects one changed, removed, moved or added entry: in the database, and in an export."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from control_plane.access.actors import WORKER, Actor
from control_plane.audit import service as audit
from control_plane.audit.chain import START, Head, Link, content_of, link_of, storable, verify
from control_plane.cli.audit import check
from control_plane.cli.client import CommandFailed

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


async def record(platform, count=5, **details):
    async with platform.database.transaction() as session:
        for number in range(count):
            at = platform.clock.now() + timedelta(seconds=number)
            audit.record(session, Actor.operator("dpk_1"), "thing.done", at=at, tenant_id=uuid4(), number=number, **details)


async def chain(platform):
    async with platform.database.transaction() as session:
        head = await audit.head(session)
    return [link async for link in audit.links(platform.database, head)], head


async def forge(platform, *statements):
    """As somebody would who owns the table and switches its guard off."""
    async with platform.database.transaction() as session:
        await session.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER USER"))
        for statement in statements:
            await session.execute(text(statement))
        await session.execute(text("ALTER TABLE audit_entry ENABLE TRIGGER USER"))


async def test_what_was_recorded_is_one_chain(platform):
    await record(platform)
    await record(platform, 2)
    links, head = await chain(platform)

    assert [link.position for link in links] == [1, 2, 3, 4, 5, 6, 7]
    assert (verify(links, head).why, links[0].previous) == (None, START)


FORGERIES = {
    "details": ("UPDATE audit_entry SET details = jsonb_set(details, '{number}', '9') WHERE position = 3",),
    "actor": ("UPDATE audit_entry SET actor = 'operator:somebody else' WHERE position = 3",),
    "action": ("UPDATE audit_entry SET action = 'thing.undone' WHERE position = 3",),
    "time": ("UPDATE audit_entry SET at = at + interval '1 microsecond' WHERE position = 3",),
    "tenant": ("UPDATE audit_entry SET tenant_id = NULL WHERE position = 3",),
    "details and content": ("UPDATE audit_entry SET details = '{}', content = encode(sha256('x'), 'hex') WHERE position = 3",),
    "removed": ("DELETE FROM audit_entry WHERE position = 3",),
    "first removed": ("DELETE FROM audit_entry WHERE position = 1",),
    "last removed": ("DELETE FROM audit_entry WHERE position = 5",),
    "removed and closed up": (
        "DELETE FROM audit_entry WHERE position = 3",
        "UPDATE audit_entry SET position = 3 WHERE position = 4",
        "UPDATE audit_entry SET position = 4 WHERE position = 5",
    ),
    "moved": (
        "UPDATE audit_entry SET position = 99 WHERE position = 3",
        "UPDATE audit_entry SET position = 3 WHERE position = 4",
        "UPDATE audit_entry SET position = 4 WHERE position = 99",
    ),
    "moved with its links": (
        "UPDATE audit_entry one SET details = other.details, actor = other.actor, at = other.at, content = other.content "
        "FROM audit_entry other WHERE (one.position, other.position) IN ((3, 4), (4, 3))",
    ),
    "added at the end": (
        "INSERT INTO audit_entry (at, actor, action, details, content, position, previous, link) "
        "SELECT at, actor, action, details, content, 6, link, encode(sha256('x'), 'hex') FROM audit_entry WHERE position = 5",
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_one_forged_entry_is_found_in_the_database(client, platform, forgery):
    await record(platform)
    before = (await client.get("/v1/audit/export")).text.splitlines()
    assert check(before).why is None

    await forge(platform, *FORGERIES[forgery])
    if forgery == "added at the end":
        await forge(platform, "UPDATE audit_head SET position = 6")
    after = (await client.get("/v1/audit/export")).text.splitlines()

    assert check(after).why is not None


async def test_a_chain_rewritten_as_a_whole_is_found_by_a_head_noted_before(client, platform):
    await record(platform)
    noted = (await client.get("/v1/audit/head")).json()["noted"]
    links, _ = await chain(platform)
    rewritten, last = [], START
    for link in links:
        details = {**link.details, "number": 7}
        content = content_of(datetime.fromisoformat(link.at), link.actor, link.action, link.tenant_id, details)
        made = link_of(last, link.position, content)
        rewritten.append(json.dumps({**_plain(link), "details": details, "previous": last, "link": made}))
        last = made
    rewritten.append(json.dumps({"head": {"position": 5, "link": last}}))

    assert check(rewritten).why is None
    assert "the chain was rewritten" in check(rewritten, noted).why


def _plain(link):
    return {name: getattr(link, name) for name in Link.__slots__}


LINES = st.integers(0, 4)


@pytest.fixture(scope="module")
def exported():
    links, last = [], START
    for position in range(1, 6):
        content = content_of(NOON, "operator:x", "thing.done", None, {"number": position})
        made = link_of(last, position, content)
        entry = Link(position, NOON.isoformat(), "operator:x", "thing.done", None, {"number": position}, last, made)
        links.append(json.dumps(_plain(entry)))
        last = made
    return [*links, json.dumps({"head": {"position": 5, "link": last}})]


@given(line=LINES, other=LINES)
def test_a_line_removed_from_or_moved_in_an_export_is_found(exported, line, other):
    assert check(exported).why is None
    assert check([one for place, one in enumerate(exported) if place != line]).why is not None
    if line != other:
        swapped = list(exported)
        swapped[line], swapped[other] = swapped[other], swapped[line]
        assert check(swapped).why is not None


@given(line=LINES, field=st.sampled_from(["at", "actor", "action", "tenant_id", "details", "previous", "link", "position"]))
def test_a_field_changed_in_an_export_is_found(exported, line, field):
    changed = json.loads(exported[line])
    changed[field] = {"at": "2027-01-01T12:00:01+00:00", "details": {"number": 99}, "position": 77}.get(field, "b" * 64)
    assert check([*exported[:line], json.dumps(changed), *exported[line + 1 :]]).why is not None


def test_an_export_that_was_cut_off_is_found(exported):
    assert "cut off" in check(exported[:-1]).why
    assert "cut off" in check([]).why
    with pytest.raises(CommandFailed, match="Line 2"):
        check([exported[0], exported[1][:40]])


def test_an_empty_chain_is_whole():
    assert verify([], Head(0, START)).why is None


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_what_is_storable_is_digested_alike_before_and_after(details):
    stored = storable(details)
    assert content_of(NOON, "a", "b", None, details) == content_of(NOON, "a", "b", None, json.loads(json.dumps(stored)))


async def test_odd_numbers_come_back_from_the_database_as_they_were_digested(platform):
    await record(platform, 1, odd=[1e20, -0.0, 1e-7, 0.1, 123456789.25, 10**30, (1, 2), 1.0])
    links, head = await chain(platform)
    assert verify(links, head).why is None


async def test_deeds_recorded_at_once_make_one_chain_and_those_rolled_back_leave_no_gap(platform):
    async def deed(number):
        async with platform.database.transaction() as session:
            audit.record(session, WORKER, "thing.done", at=platform.clock.now(), number=number)
            await session.flush()
            audit.record(session, WORKER, "thing.done_too", at=platform.clock.now(), number=number)
            if number % 3 == 0:
                raise ValueError("nothing of this stands")

    await asyncio.gather(*(deed(number) for number in range(9)), return_exceptions=True)
    links, head = await chain(platform)
    assert (len(links), head.position, verify(links, head).why) == (12, 12, None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'x'",
        "UPDATE audit_entry SET link = 'x'",
        "TRUNCATE audit_entry",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
    ],
)
async def test_the_record_refuses_to_be_changed(platform, statement):
    await record(platform, 1)
    with pytest.raises(IntegrityError, match="never changed or deleted"):
        async with platform.database.transaction() as session:
            await session.execute(text(statement))


async def test_entries_are_listed_by_page_tenant_and_actor(client, platform):
    await record(platform, 3)
    everything = (await client.get("/v1/audit")).json()["items"]
    first = (await client.get("/v1/audit", params={"limit": 2})).json()
    second = (await client.get("/v1/audit", params={"limit": 2, "after": first["next"]})).json()
    of_one = (await client.get("/v1/audit", params={"tenant_id": everything[0]["tenant_id"]})).json()["items"]

    assert [one["position"] for one in everything] == [3, 2, 1]
    assert first["items"] + second["items"] == everything
    assert (of_one, second["next"]) == (everything[:1], None)
    assert (await client.get("/v1/audit", params={"actor": "operator:nobody"})).json()["items"] == []
