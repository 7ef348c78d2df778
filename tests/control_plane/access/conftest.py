"""People and keys of every kind, with two clinics: one is theirs, the other is not."""

from dataclasses import dataclass, replace
from uuid import UUID

import httpx2
import pyotp
import pytest
from sqlalchemy import select

from control_plane.access import accounts, signing_in
from control_plane.access.models import Account
from control_plane.access.passwords import Passwords
from control_plane.access.scopes import ROLES, Kind, Role
from control_plane.access.service import create_key
from control_plane.tenants.models import Tenant

PASSWORD = "seven quiet herons by the lake"


@pytest.fixture
async def platform(platform):
    return replace(platform, passwords=Passwords(memory_kib=32, rounds=1))


@dataclass
class People:
    """Keys by (kind, role), and the ids of what belongs to whom."""

    headers: dict[tuple[Kind, Role], dict[str, str]]
    accounts: dict[tuple[Kind, Role], UUID]
    own: str = "own"
    foreign: str = "foreign"


async def open_clinic(client: httpx2.AsyncClient, slug: str) -> None:
    body = {"name": slug, "slug": slug, "country": "ES", "owner_email": f"{slug}@clinic.example", "modules": []}
    assert (await client.post("/v1/tenants", json=body)).status_code == 202


@pytest.fixture
async def people(client, platform) -> People:
    """Somebody of every kind and role with a key; `own` is the owner's and the reseller's, `foreign` nobody's but the operators'."""
    await open_clinic(client, "own")
    await open_clinic(client, "foreign")
    headers, ids = {}, {}
    now = platform.clock.now()
    async with platform.database.transaction() as session:
        reseller = await accounts.create_reseller(session, "Dental Partners", at=now)
        own = await session.scalar(select(Tenant).where(Tenant.slug == "own"))
        await accounts.grant(session, own, reseller_id=reseller.id, at=now)
        for kind, role in ROLES:
            email = f"{kind.value}-{role.value}@example.com"
            belongs = reseller.id if kind is Kind.RESELLER else None
            account = await accounts.create_account(session, kind=kind, role=role, email=email, name="x", reseller_id=belongs, at=now)
            if kind is Kind.OWNER:
                await accounts.grant(session, own, account_id=account.id, at=now)
            _, key = await create_key(session, "tests", at=now, account_id=account.id)
            headers[kind, role], ids[kind, role] = {"Authorization": f"Bearer {key}"}, account.id
    return People(headers, ids)


@pytest.fixture
async def somebody(client, platform):
    """An operator, administrator, with a password and no second factor yet."""
    return await with_password(client, Kind.OPERATOR, Role.ADMIN, "ana@platform.example")


async def with_password(client, kind, role, email):
    made = (await client.post("/v1/accounts", json={"kind": kind, "role": role, "email": email, "name": "Ana"})).json()
    answer = await anonymous(client).post("/v1/session/password", json={"invitation": made["invitation"], "password": PASSWORD})
    assert answer.status_code == 204, answer.text
    return made


def anonymous(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A browser that is not signed in, on the same application."""
    return httpx2.AsyncClient(transport=client._transport, base_url="http://platform.example")


async def signed_in(client, platform, email="ana@platform.example"):
    """A browser with a whole session: password and code."""
    browser = anonymous(client)
    async with platform.database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.email == email))
        begun = await signing_in.begin_second_factor(session, platform.vault, account.id)
        account.second_factor_since = platform.clock.now()
    code = pyotp.TOTP(begun.secret).at(platform.clock.now())
    answer = await browser.post("/v1/session", json={"email": email, "password": PASSWORD, "code": code})
    assert answer.status_code == 201, answer.text
    return browser
