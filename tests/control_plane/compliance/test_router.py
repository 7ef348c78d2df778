from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import httpx2 as httpx
import pytest
from fastapi import FastAPI

from control_plane.clock import SystemClock
from control_plane.compliance.router import router
from control_plane.errors import install_handlers


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_handlers(app)
    app.include_router(router, prefix="/v1")
    app.state.clock = SystemClock(date(2026, 11, 21))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform") as client:
        yield client


def statuses(body: dict) -> dict[str, str]:
    return {one["id"]: one["status"] for one in body["obligations"]}


async def test_the_list_names_countries_territories_and_facts(client):
    items = {one["country"]: one for one in (await client.get("/v1/compliance")).json()["items"]}
    assert sorted(items) == ["DE", "ES", "FR", "GB", "HU", "IT", "PL", "PT", "US"]
    assert items["ES"]["facts"] == ["legal_form", "sii", "tax_domicile"]
    assert {"id": "ES-CN", "name": "Canary Islands"} in items["ES"]["territories"]


async def test_the_date_decides(client):
    before = (await client.get("/v1/compliance/ES", params={"on": "2026-12-31"})).json()
    after = (await client.get("/v1/compliance/ES", params={"on": "2027-01-01"})).json()
    assert (statuses(before)["es-verifactu"], statuses(after)["es-verifactu"]) == ("allowed", "required")
    assert {one["fact"] for one in after["assumptions"]} == {"legal_form", "sii", "tax_domicile"}
    assert after["packs"]["ES"].startswith("sha256:")


async def test_without_a_date_it_is_the_platform_s_today(client):
    assert (await client.get("/v1/compliance/ES")).json()["on"] == "2026-11-21"


async def test_the_day_is_the_country_s_own():
    class LateEvening:
        def now(self) -> datetime:
            return datetime(2026, 12, 31, 23, 30, tzinfo=UTC)

        def today(self, timezone: str | None = None) -> date:
            return self.now().astimezone(ZoneInfo(timezone or "UTC")).date()

    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.state.clock = LateEvening()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform") as client:
        assert (await client.get("/v1/compliance/ES")).json()["on"] == "2027-01-01"
        assert (await client.get("/v1/compliance/ES", params={"territory": "ES-CN"})).json()["on"] == "2026-12-31"


async def test_facts_are_query_parameters(client):
    body = (await client.get("/v1/compliance/ES", params={"on": "2027-01-01", "sii": "true", "legal_form": "other"})).json()
    assert statuses(body)["es-verifactu"] == "forbidden"


async def test_texts_are_in_the_reader_s_language(client):
    body = (await client.get("/v1/compliance/ES?on=2027-01-01", headers={"Accept-Language": "es-ES"})).json()
    [verifactu] = [one for one in body["obligations"] if one["id"] == "es-verifactu"]
    assert "antes del 1 de enero de 2027" in verifactu["why"]


@pytest.mark.parametrize(
    ("address", "status", "code", "said"),
    [
        ("/v1/compliance/XX", 404, "unknown_country", "DE, ES, FR"),
        ("/v1/compliance/ES?territory=ES-MD", 422, "unknown_territory", "ES-CE, ES-CN"),
        ("/v1/compliance/ES?on=tomorrow", 422, "bad_date", "YYYY-MM-DD"),
        ("/v1/compliance/ES?on=20270101", 422, "bad_date", "YYYY-MM-DD"),
        ("/v1/compliance/ES?on=2027-02-30", 422, "bad_date", "YYYY-MM-DD"),
        ("/v1/compliance/ES?tax_id=B12345675", 422, "invalid_tax_id", "check digit"),
        ("/v1/compliance/ES?siii=true", 422, "unknown_fact", "sii"),
        ("/v1/compliance/ES?sii=maybe", 422, "invalid_fact", "true or false"),
    ],
)
async def test_bad_input_is_refused_with_the_way_out(client, address: str, status: int, code: str, said: str):
    response = await client.get(address)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    assert said in response.json()["detail"]
