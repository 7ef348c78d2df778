"""Keys with scopes, rotation and an end; whose tenant is whose."""

from control_plane.access.scopes import Kind, Role
from tests.control_plane.access.conftest import anonymous, signed_in

OWNER = (Kind.OWNER, Role.OWNER)
STAFF = (Kind.RESELLER, Role.ADMIN)


async def as_key(client, key, method, path, **body):
    return await anonymous(client).request(method, path, headers={"Authorization": f"Bearer {key}"}, **body)


async def test_a_key_does_what_its_scopes_say_until_it_expires(client, platform, clock, somebody):
    browser = await signed_in(client, platform)
    made = (await browser.post("/v1/keys", json={"name": "ci", "scopes": ["releases:read"], "expires_in_days": 30})).json()
    read = await as_key(client, made["key"], "GET", "/v1/modules")
    beyond = await as_key(client, made["key"], "GET", "/v1/tenants")
    more = await as_key(client, made["key"], "POST", "/v1/keys", json={"name": "for ever"})
    listed = (await as_key(client, made["key"], "GET", "/v1/keys")).json()["items"]
    clock.advance(days=30)

    assert (read.status_code, beyond.status_code, beyond.json()["scope"]) == (200, 403, "tenants:read")
    assert more.json()["code"] == "session_needed"
    assert [(one["prefix"], one["used_at"] is not None) for one in listed] == [(made["prefix"], True)]
    assert (await as_key(client, made["key"], "GET", "/v1/modules")).status_code == 401


async def test_nobody_makes_a_key_with_more_rights_than_their_own(client, people):
    limited = (await client.post("/v1/keys", json={"name": "x", "scopes": ["access:write", "audit:read"]})).json()
    more = await as_key(client, limited["key"], "POST", "/v1/keys", json={"name": "y", "scopes": ["tenants:write"]})
    unknown = await client.post("/v1/keys", json={"name": "y", "scopes": ["everything"]})
    same = (await as_key(client, limited["key"], "POST", "/v1/keys", json={"name": "y"})).json()

    assert {more.json()["code"], unknown.json()["code"]} == {"scope_unknown"}
    assert same["scopes"] == ["access:write", "audit:read"]


async def test_nobody_is_shown_a_key_that_acts_as_another_or_may_do_more(client, people):
    """Rotating shows the new key: a limited key would get all rights by it, and an administrator somebody else's name in the audit."""
    limited = (await client.post("/v1/keys", json={"name": "x", "scopes": ["access:write", "access:read"]})).json()
    listed = (await client.get("/v1/keys")).json()["items"]
    everything = next(one["prefix"] for one in listed if one["account_id"] is None and one["scopes"] is None)
    theirs = next(one["prefix"] for one in listed if one["account_id"] == str(people.accounts[OWNER]))
    more = await as_key(client, limited["key"], "POST", f"/v1/keys/{everything}/rotate", json={})
    other = await client.post(f"/v1/keys/{theirs}/rotate", json={})
    own = await client.post(f"/v1/keys/{theirs}/rotate", json={}, headers=people.headers[OWNER])

    assert (more.json()["code"], other.json()["code"], own.status_code) == ("scope_unknown", "key_of_another", 201)
    assert (await client.delete(f"/v1/keys/{theirs}")).status_code == 200


async def test_after_a_rotation_both_keys_work_until_the_overlap_is_over(client, clock):
    old = (await client.post("/v1/keys", json={"name": "ci", "scopes": ["releases:read"], "expires_in_days": 90})).json()
    new = (await as_key(client, old["key"], "POST", f"/v1/keys/{old['prefix']}/rotate", json={"overlap_hours": 2})).json()
    during = [(await as_key(client, one["key"], "GET", "/v1/modules")).status_code for one in (old, new)]
    clock.advance(hours=2)
    after = [(await as_key(client, one["key"], "GET", "/v1/modules")).status_code for one in (old, new)]
    again = await client.post(f"/v1/keys/{old['prefix']}/rotate", json={})

    assert (during, after, again.json()["code"]) == ([200, 200], [401, 200], "key_over")
    assert (new["scopes"], new["expires_at"] is not None) == (["releases:read"], True)


async def test_somebody_else_s_key_is_one_that_does_not_exist(client, people):
    theirs = next(one["prefix"] for one in (await client.get("/v1/keys")).json()["items"] if one["account_id"] is None)
    for answer in (
        await client.delete(f"/v1/keys/{theirs}", headers=people.headers[OWNER]),
        await client.post(f"/v1/keys/{theirs}/rotate", json={}, headers=people.headers[STAFF]),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_key")


async def test_owners_see_their_tenants_and_a_reseller_those_it_brings(client, people):
    async def slugs(headers):
        return [one["slug"] for one in (await client.get("/v1/tenants", headers=headers)).json()["items"]]

    body = {"name": "Luna", "slug": "luna", "country": "ES", "owner_email": "new@clinic.example", "modules": []}
    opened = await client.post("/v1/tenants", json=body, headers=people.headers[STAFF])

    assert opened.status_code == 202
    assert await slugs(people.headers[STAFF]) == ["luna", "own"]
    assert await slugs(people.headers[OWNER]) == ["own"]
    assert await slugs({}) == ["foreign", "luna", "own"]


async def test_the_owner_ends_what_a_reseller_sees(client, people):
    grants = (await client.get("/v1/tenants/own/access", headers=people.headers[OWNER])).json()["items"]
    reseller = next(one for one in grants if one["reseller_id"])
    refused = await client.delete(f"/v1/tenants/own/access/{reseller['id']}", headers=people.headers[STAFF])
    ended = await client.delete(f"/v1/tenants/own/access/{reseller['id']}", headers=people.headers[OWNER])

    assert (refused.status_code, ended.status_code) == (403, 200)
    assert (await client.get("/v1/tenants/own", headers=people.headers[STAFF])).status_code == 404
    assert (await client.get("/v1/tenants/own", headers=people.headers[OWNER])).status_code == 200


async def test_a_slug_given_to_somebody_else_does_not_show_them_to_its_last_owner(client, platform, people):
    from sqlalchemy import text

    async with platform.database.transaction() as session:
        await session.execute(text("ALTER TABLE tenant DISABLE TRIGGER USER"))
        await session.execute(text("UPDATE tenant SET state = 'deleted', deleted_at = now(), state_deadline = NULL WHERE slug = 'own'"))
        await session.execute(text("ALTER TABLE tenant ENABLE TRIGGER USER"))
    assert (await client.get("/v1/tenants/own", headers=people.headers[OWNER])).status_code == 200
    body = {"name": "Another", "slug": "own", "country": "ES", "owner_email": "new@clinic.example", "modules": []}
    assert (await client.post("/v1/tenants", json=body)).status_code == 202

    assert (await client.get("/v1/tenants/own", headers=people.headers[OWNER])).status_code == 404


async def test_an_operation_of_a_foreign_tenant_is_not_found(client, people):
    def operation(slug):
        return client.get(f"/v1/tenants/{slug}/operations")

    own, foreign = [(await operation(slug)).json()["items"][0]["id"] for slug in ("own", "foreign")]
    for end in ("", "/events"):
        found = await client.get(f"/v1/operations/{foreign}{end}", headers=people.headers[OWNER])
        assert (found.status_code, found.json()["code"]) == (404, "unknown_operation")
    assert (await client.get(f"/v1/operations/{own}", headers=people.headers[OWNER])).status_code == 200


async def test_accounts_are_of_one_kind_and_fit_it(client, people):
    unfit = {"kind": "operator", "role": "owner", "email": "x@example.com", "name": "x"}
    homeless = {"kind": "reseller", "role": "staff", "email": "x@example.com", "name": "x"}
    twice = {"kind": "operator", "role": "admin", "email": "Operator-Admin@example.com", "name": "x"}
    answers = [await client.post("/v1/accounts", json=body) for body in (unfit, homeless, twice)]
    assert [answer.json()["code"] for answer in answers] == ["role_unfit", "role_unfit", "account_exists"]
    operator = await client.post("/v1/tenants/own/access", json={"account_id": str(people.accounts[Kind.OPERATOR, Role.SUPPORT])})
    assert operator.json()["code"] == "role_unfit"
