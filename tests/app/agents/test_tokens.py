"""Personal access tokens: made within one's own rights, a few at most, and gone with one's sessions."""

from app.core.agents import tokens

TOKENS = "/api/v1/auth/tokens"


async def make(person, *scopes, **fields):
    return await person.post(TOKENS, json={"name": "assistant", "scopes": list(scopes) or ["*"], **fields})


async def opens_mcp(shelf, token):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {token}"}
    async with shelf.clinic_app.client() as nobody:
        return (await nobody.post("/api/v1/mcp", json=body, headers=headers)).status_code == 200


async def test_a_scope_that_covers_nothing_of_mine_is_refused(shelf):
    async with await shelf.as_person("assistant") as person:
        beyond = await make(person, "shelf.notes.write", "shelf.notes.read")
        garbled = await make(person, "shelf.*.read")

    assert (beyond.status_code, beyond.json()["errors"][0]["scopes"]) == (422, ["shelf.notes.write"])
    assert garbled.status_code == 422


async def test_nobody_keeps_more_than_a_few(shelf):
    async with await shelf.as_person("dentist") as person:
        made = [(await make(person)).status_code for _ in range(tokens.MOST + 1)]

    assert made == [201] * tokens.MOST + [409]


async def test_an_expired_token_is_refused(shelf):
    await shelf.configure("mcp")
    async with await shelf.as_person("dentist") as person:
        token = (await make(person)).json()["data"]["token"]
    assert await opens_mcp(shelf, token)

    await shelf.clinic_app.sql("UPDATE personal_access_tokens SET expires_at = now()")

    assert not await opens_mcp(shelf, token)


async def test_only_the_digest_of_a_token_is_stored(shelf):
    async with await shelf.as_person("dentist") as person:
        token = (await make(person)).json()["data"]["token"]

    row = await shelf.clinic_app.sql("SELECT t::text FROM personal_access_tokens t")
    assert token not in row
    assert token.removeprefix(tokens.PREFIX) not in row


async def test_an_admin_revokes_anybodys_and_a_colleague_nobodys(shelf):
    async with await shelf.as_person("dentist") as person:
        made = (await make(person)).json()["data"]
    async with await shelf.as_person("assistant") as colleague:
        assert (await colleague.get(f"{TOKENS}?everybody=true")).json()["data"] == []
        assert (await colleague.delete(f"{TOKENS}/{made['id']}")).status_code == 404
    async with await shelf.as_person("admin") as admin:
        assert [token["id"] for token in (await admin.get(f"{TOKENS}?everybody=true")).json()["data"]] == [made["id"]]
        assert (await admin.delete(f"{TOKENS}/{made['id']}")).status_code == 200


async def test_ending_ones_sessions_ends_ones_tokens_in_every_clinic(shelf):
    other = await shelf.clinic_app.add_clinic("Other")
    await shelf.clinic_app.add_member(shelf.people["dentist"], other, "dentist")
    await shelf.configure("mcp")
    made = []
    async with await shelf.as_person("dentist") as person:
        for clinic in (shelf.clinic_id, other):
            answer = await person.post(TOKENS, json={"name": "a", "scopes": ["*"]}, headers={"X-Clinic-Id": str(clinic)})
            made.append(answer.json()["data"]["token"])
        assert await opens_mcp(shelf, made[0])

        assert (await person.delete("/api/v1/auth/sessions")).status_code == 200

    assert not await opens_mcp(shelf, made[0])
    assert await shelf.clinic_app.sql("SELECT count(*) FROM personal_access_tokens WHERE revoked_at IS NULL") == 0


async def test_an_admin_who_signs_somebody_out_ends_their_tokens_and_nobody_elses(shelf):
    async with await shelf.as_person("dentist") as person:
        await make(person)
    async with await shelf.as_person("admin") as admin:
        await make(admin)
        assert (await admin.post(f"/api/v1/users/{shelf.people['dentist']}/sign-out")).status_code == 200
        left = (await admin.get(f"{TOKENS}?everybody=true")).json()["data"]

    assert [token["user_id"] for token in left] == [str(shelf.people["admin"])]
