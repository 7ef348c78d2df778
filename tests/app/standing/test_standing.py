"""What people are told of their clinic's payments: why, what comes next and where to pay, no amounts; nothing before signing in."""

from datetime import date

import pytest

from app.core.modes import Mode
from app.core.plugins.router import router as modules_router
from app.core.standing.standing import Payments
from app.core.standing.texts import TEXTS
from tests.support.app import ShelfModule, build

PAY_AT = "https://platform.example/account"
SOON = Payments("banner", "unpaid", "no_new_modules", date(2027, 3, 15), PAY_AT)


@pytest.fixture
async def told(clinic_app):
    """`await told(payments, mode)`: an administrator's client."""
    await clinic_app.add_user(admin=await clinic_app.add_clinic())
    clients = []

    async def start(payments, mode=Mode.NORMAL):
        app = build(clinic_app.schema, clinic_app.database, [ShelfModule()], payments=payments, mode=mode, routers=(modules_router,))
        clients.append(await app.signed_in())
        return clients[-1]

    yield start
    for client in clients:
        await client.aclose()


async def test_a_banner_says_why_what_comes_and_where_to_pay(told):
    client = await told(SOON)

    active = (await client.get("/api/v1/modules/-/active")).json()["data"]
    page = (await client.get("/", headers={"Accept-Language": "es"})).text

    assert active["banner"] == "A payment for this clinic's DentalPin is overdue. From 2027-03-15 no modules can be added."
    assert active["payments"] == {
        "state": "banner",
        "why": "unpaid",
        "next": "no_new_modules",
        "next_on": "2027-03-15",
        "pay_at": PAY_AT,
    }
    assert "está vencido" in page
    assert "2027-03-15" in page
    assert f'href="{PAY_AT}"' in page
    assert (await client.post("/api/v1/shelf/notes", json={"body": "bread"})).status_code == 201


async def test_whoever_is_not_signed_in_hears_nothing_of_it(told):
    client = await told(SOON)

    assert "overdue" not in (await client.get("/sign-in")).text


async def test_a_trial_that_ended_is_not_called_a_debt(told):
    client = await told(Payments("read_only", "trial_over", None, None, PAY_AT), Mode.READ_ONLY)

    banner = (await client.get("/api/v1/modules/-/active")).json()["data"]["banner"]

    assert "trial is over" in banner
    assert "read-only" in banner
    assert "overdue" not in banner


async def test_a_clinic_in_order_is_told_nothing(told):
    client = await told(None)

    active = (await client.get("/api/v1/modules/-/active")).json()["data"]

    assert (active["banner"], active["payments"]) == (None, None)
    assert 'class="notice' not in (await client.get("/")).text


def test_every_text_is_there_in_every_language():
    assert TEXTS["en"].keys() == TEXTS["es"].keys()


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("next_", ["no_new_modules", "read_only", "export_only", "archived"])
@pytest.mark.parametrize("state", ["banner", "no_new_modules", "read_only", "export_only"])
@pytest.mark.parametrize("why", ["unpaid", "trial_over", "ended"])
def test_every_state_can_be_told(why, state, next_, language):
    said = Payments(why=why, state=state, next=next_, next_on=date(2027, 3, 15), pay_at=PAY_AT).told(language)

    assert "2027-03-15" in said
    assert "{" not in said
