"""Operators at an identity provider: there and back over HTTP, once, in the browser that began it."""

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from control_plane.access.oidc.provider import Provider
from control_plane.access.scopes import ALL, Kind, Role
from control_plane.config import Settings
from tests.control_plane.access.conftest import anonymous, with_password

SECRET = "what the provider and the platform share"


@dataclass
class FakeProvider:
    """A provider on a loopback port: it describes itself, publishes keys, and gives a token for a code it was asked for."""

    clock: object
    port: int = 0
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "use": "sig"}))
    codes: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    @property
    def issuer(self):
        return f"http://127.0.0.1:{self.port}"

    def sign_in(self, url, **claims):
        """What the person does in the browser: the code and the state that go back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.codes["c-1"] = asked, claims
        return {"code": "c-1", "state": asked["state"]}

    def answer(self, line, headers, body):
        method, path, _ = line.split(" ")
        self.asked.append((method, path))
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
            return 200, {"issuer": self.issuer, **{name: self.issuer + place for name, place in places.items()}}
        if path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        return self._token({name: values[0] for name, values in parse_qs(body.decode()).items()}, headers)

    def _token(self, form, headers):
        basic = base64.b64decode(headers.get("authorization", "").removeprefix("Basic ") or b"").decode()
        asked, claims = self.codes.pop(form["code"], (None, None))
        if asked is None or basic != f"platform:{SECRET}" or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if asked["code_challenge_method"] != "S256" or challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(self.clock.now().timestamp())
        standard = {"iss": self.issuer, "aud": "platform", "nonce": asked["nonce"], "iat": now, "exp": now + 300, "amr": ["mfa"]}
        whole = {**standard, "sub": "s-1", "email": "ana@platform.example", "email_verified": True, **claims}
        return 200, {"token_type": "Bearer", "id_token": jwt.encode({"alg": "ES256", "kid": self.key.kid}, whole, self.key)}

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields)}
        status, answer = self.answer(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        body = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def provider(clock):
    made = FakeProvider(clock)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.fixture
async def platform(platform, provider):
    return replace(platform, oidc=Provider(provider.issuer, "platform", SECRET))


@pytest.fixture
def sign_in(client, provider):
    """Go there and come back: the last answer, the browser, and what was brought back."""

    async def sign_in(**claims):
        browser = anonymous(client)
        gone = await browser.get("/v1/session/oidc")
        assert gone.status_code == 303, gone.text
        back = provider.sign_in(gone.headers["location"], **claims)
        answer = await browser.get("/v1/session/oidc/return", params=back)
        return SimpleNamespace(answer=answer, browser=browser, back=back, url=gone.headers["location"])

    return sign_in


@pytest.fixture
async def ana(client):
    body = {"kind": Kind.OPERATOR, "role": Role.ADMIN, "email": "ana@platform.example", "name": "Ana"}
    return (await client.post("/v1/accounts", json=body)).json()


async def test_an_operator_comes_back_signed_in_and_is_known_by_subject_from_then_on(client, sign_in, ana):
    first = await sign_in()
    who = (await first.browser.get("/v1/session")).json()
    renamed = await sign_in(email="ana.maria@platform.example")
    taken = await sign_in(sub="s-2")
    audit = [each["action"] for each in (await client.get("/v1/audit")).json()["items"]]

    assert (first.answer.status_code, who["id"], who["scopes"]) == (303, "ana@platform.example", sorted(ALL))
    assert (await renamed.browser.get("/v1/session")).json()["id"] == "ana@platform.example"
    assert taken.answer.json()["code"] == "oidc_no_account"
    assert audit.count("account.oidc_linked") == 1
    assert audit.count("session.begun") == 2


async def test_an_administrator_unlinks_an_account_and_the_next_identity_with_its_address_is_linked(client, sign_in, ana):
    first = await sign_in()
    linked = (await client.get(f"/v1/accounts/{ana['id']}")).json()["oidc_issuer"]
    unlinked = [await client.delete(f"/v1/accounts/{ana['id']}/oidc") for _ in range(2)]
    ended = await first.browser.get("/v1/session")
    successor = await sign_in(sub="s-2")
    before = await sign_in(sub="s-1")
    actions = [each["action"] for each in (await client.get("/v1/audit")).json()["items"]]

    assert linked
    assert [(one.status_code, one.json()["oidc_issuer"]) for one in unlinked] == [(200, None)] * 2
    assert (ended.status_code, successor.answer.status_code, before.answer.json()["code"]) == (401, 303, "oidc_no_account")
    assert actions.count("account.oidc_unlinked") == 1


async def test_who_is_no_operator_or_was_not_checked_is_not_let_in(client, sign_in, ana):
    await with_password(client, Kind.OWNER, Role.OWNER, "owner@clinic.example")
    codes = [
        (await sign_in(**claims)).answer.json()["code"]
        for claims in (
            {"email": "nobody@platform.example"},
            {"email": "owner@clinic.example"},
            {"email_verified": False},
            {"amr": ["pwd"]},
            {"nonce": "of another"},
            {"aud": "another"},
        )
    ]
    await sign_in()
    await client.delete(f"/v1/accounts/{ana['id']}")
    codes.append((await sign_in()).answer.json()["code"])
    refused = "oidc_token_refused"
    assert codes == [*["oidc_no_account"] * 3, "oidc_without_second_factor", refused, refused, "oidc_no_account"]


async def test_a_return_counts_once_in_time_and_in_the_browser_that_left(client, provider, clock, ana):
    one, two = anonymous(client), anonymous(client)
    back = provider.sign_in((await one.get("/v1/session/oidc")).headers["location"])
    stolen = await two.get("/v1/session/oidc/return", params=back)
    await two.get("/v1/session/oidc")
    fixed = await two.get("/v1/session/oidc/return", params=back)
    used = await one.get("/v1/session/oidc/return", params=back)
    again = await one.get("/v1/session/oidc/return", params=back)
    late = provider.sign_in((await one.get("/v1/session/oidc")).headers["location"])
    clock.advance(minutes=10)
    over = await one.get("/v1/session/oidc/return", params=late)
    denied = await one.get("/v1/session/oidc/return", params={"error": "access_denied", "state": "x"})

    assert used.status_code == 303
    assert {each.json()["code"] for each in (stolen, fixed, again, over, denied)} == {"oidc_return_refused"}


async def test_a_new_key_of_the_provider_is_found_and_a_made_up_one_does_not_make_it_be_asked_for_ever(provider, sign_in, clock, ana):
    await sign_in()
    provider.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
    too_soon = await sign_in()
    clock.advance(minutes=1)
    later = await sign_in()
    assert (too_soon.answer.status_code, later.answer.status_code) == (401, 303)
    assert provider.asked.count(("GET", "/keys")) == 2
    assert provider.asked.count(("GET", "/.well-known/openid-configuration")) == 1


async def test_a_provider_that_is_away_or_another_is_said_so(client, platform, provider):
    provider_of_another = Provider(f"{provider.issuer}/", "platform", SECRET)
    from tests.support.platform import api_of

    for other, status in ((provider_of_another, 503), (Provider("http://127.0.0.1:9", "platform", None), 503), (None, 404)):
        async with api_of(replace(platform, oidc=other)) as client:
            assert (await anonymous(client).get("/v1/session/oidc")).status_code == status


async def test_nothing_of_a_sign_in_that_could_be_used_is_stored(platform, provider, client):
    from sqlalchemy import text

    gone = await anonymous(client).get("/v1/session/oidc")
    sent = {name: values[0] for name, values in parse_qs(urlsplit(gone.headers["location"]).query).items()}
    async with platform.database.transaction() as session:
        stored = str((await session.execute(text("SELECT state, encode(sealed, 'escape') FROM oidc_sign_in"))).all())
    assert sent["code_challenge_method"] == "S256"
    assert sent["redirect_uri"] == "http://platform.example/v1/session/oidc/return"
    assert not any(secret in stored for secret in (sent["state"], sent["nonce"]))


@pytest.mark.parametrize("issuer", ["http://id.example", "ftp://id.example", "id.example", "http://localhost.evil.example", "https:///x"])
def test_a_provider_in_the_clear_is_no_setting(issuer):
    with pytest.raises(ValueError, match="https"):
        Settings(database_url="postgresql://x/y", oidc_issuer=issuer)
