"""A reseller opens a clinic with who pays, plan and trial in one request: all of it, or nothing."""

import pytest
from sqlalchemy import func, select

from control_plane.access.models import Account
from control_plane.access.service import create_key
from control_plane.audit.models import AuditEntry
from control_plane.billing.models import Agreement
from control_plane.operations.models import Operation
from control_plane.resellers.models import ResellerTenant
from control_plane.tenants.models import Tenant

MADE = (Tenant, ResellerTenant, Agreement, Operation)


@pytest.fixture
def platform_settings(platform_settings):
    return platform_settings.model_copy(update={"bank_account": "ES91 2100 0418 4502 0005 1332"})


async def rows(platform):
    async with platform.database.transaction() as session:
        return [await session.scalar(select(func.count()).select_from(table)) for table in MADE]


async def test_payer_plan_and_trial_are_agreed_with_the_clinic(north, client, platform):
    answer = await north.opens("sol", payer="reseller", plan="solo", trial_days=7)
    assert answer.status_code == 202, answer.text
    billing = (await client.get("/v1/tenants/sol/billing")).json()

    assert (billing["plan"], billing["payer"]) == ("solo", "reseller")
    assert billing["trial_ends"] is not None
    assert billing["quote"]["total"] == "23.20"
    assert await rows(platform) == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"plan": "palace"}, "plan_unknown"),
        ({"plan": "solo", "currency": "JPY"}, "currency_not_offered"),
        ({"plan": "solo", "trial_days": 300}, "trial_not_offered"),
        ({"plan": "solo", "modules": ["nothing"]}, "unknown_module"),
        ({"trial_days": 3}, "invalid_request"),
    ],
)
async def test_what_is_refused_leaves_nothing_behind(north, client, platform, body, code):
    refused = await north.opens("sol", **body)

    assert refused.json()["code"] == code, refused.text
    assert await rows(platform) == [0, 0, 0, 0]
    async with platform.database.transaction() as session:
        assert await session.scalar(select(func.count()).where(AuditEntry.action.in_(("tenant.created", "billing.agreed")))) == 0


async def test_one_beyond_the_ceiling_is_refused_with_its_plan(client, platform, north):
    await client.post(f"/v1/resellers/{north.id}/terms", json={"max_tenants": 1})
    assert (await north.opens("sol", plan="solo")).status_code == 202
    before = await rows(platform)
    refused = await north.opens("luna", plan="solo")
    assert refused.json()["code"] == "reseller_tenants_exceeded"
    assert await rows(platform) == before


async def test_a_reseller_nobody_can_be_written_to_is_not_charged(client, platform, north):
    async with platform.database.transaction() as session:
        for account in await session.scalars(select(Account).where(Account.reseller_id.is_not(None))):
            account.disabled_at = platform.clock.now()
    body = {"name": "sol", "slug": "sol", "country": "ES", "owner_email": "o@sol.example", "modules": [], "payer": "reseller"}
    refused = await client.post(f"{north.path}/tenants", json=body)
    assert refused.json()["code"] == "reseller_unreachable"
    await client.put(f"{north.path}/correspondence", json={"billing_email": "accounts@north.example"})
    assert (await client.post(f"{north.path}/tenants", json=body)).status_code == 202


async def test_a_key_that_may_not_change_billing_opens_a_clinic_without_a_plan_only(client, platform, north):
    async with platform.database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.email == "admin@north.example"))
        scopes = frozenset({"resellers:write", "tenants:write", "tenants:read"})
        _, key = await create_key(session, "some", at=platform.clock.now(), account_id=account.id, scopes=scopes)
    north.headers["some"] = {"Authorization": f"Bearer {key}"}
    body = {"name": "sol", "slug": "sol", "country": "ES", "owner_email": "o@sol.example", "modules": []}
    refused = await north.ask("POST", "/tenants", role="some", json={**body, "plan": "solo"})
    allowed = await north.ask("POST", "/tenants", role="some", json=body)
    assert (refused.json()["code"], allowed.status_code) == ("scope_needed", 202)
