"""Operators sell by tariffs of their own, from the day they say; whoever agreed before keeps what was agreed."""

from datetime import date

import pytest

from control_plane.access.actors import WORKER
from control_plane.plans import official_tariff, service
from control_plane.plans.models import TariffRow

OWN = official_tariff()


def tariff(id_="2027-01", valid_from="2027-01-01", solo="31.00"):
    document = OWN.model_dump(mode="json")
    document["plans"]["solo"]["price"]["EUR"] = solo
    return {**document, "id": id_, "valid_from": valid_from}


async def sold(platform, on):
    async with platform.database.transaction() as session:
        return await service.current(session, date.fromisoformat(on))


async def test_a_tariff_is_sold_from_its_first_day_on_and_listed_with_the_product_s_own(client, platform):
    first = await client.post("/v1/tariffs", json=tariff())
    again = await client.post("/v1/tariffs", json=tariff())

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["created_by"].startswith("operator:")
    assert again.json() == first.json()
    assert [row["id"] for row in (await client.get("/v1/tariffs")).json()["items"]] == ["2027-01", OWN.id]
    assert [(await sold(platform, on)).id for on in ("2026-12-31", "2027-01-01")] == [OWN.id, "2027-01"]
    said = (await client.get("/v1/audit", params={"action": "tariff.published"})).json()["items"]
    assert [one["details"]["tariff"] for one in said] == ["2027-01"]


async def test_a_published_tariff_never_says_anything_else(client):
    await client.post("/v1/tariffs", json=tariff())
    for changed in (tariff(solo="99.00"), tariff(id_=OWN.id, valid_from=OWN.valid_from.isoformat(), solo="1.00")):
        refused = await client.post("/v1/tariffs", json=changed)
        assert (refused.status_code, refused.json()["code"]) == (409, "tariff_taken")
    listed = {row["id"]: row["tariff"]["plans"]["solo"]["price"]["EUR"] for row in (await client.get("/v1/tariffs")).json()["items"]}
    assert listed == {"2027-01": "31.00", OWN.id: "29.00"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"currencies": []}, "currencies"), ({"default_plan": "platinum"}, ""), ({"id": "next"}, "id"), ({"trial_days": -1}, "trial_days")],
)
async def test_one_with_a_hole_is_refused_and_says_where(client, changes, field):
    refused = await client.post("/v1/tariffs", json={**tariff(), **changes})
    assert refused.status_code == 422
    assert field in refused.text
    assert [row["id"] for row in (await client.get("/v1/tariffs")).json()["items"]] == [OWN.id]


async def test_a_newer_product_does_not_sell_by_its_own_prices_where_operators_gave_theirs(client, platform):
    await client.post("/v1/tariffs", json=tariff())
    async with platform.database.transaction() as session:
        # As a later version's own tariff is kept.
        session.add(
            TariffRow(
                id="2027-06",
                digest="x",
                valid_from=date(2027, 6, 1),
                document=tariff("2027-06", "2027-06-01", "99.00"),
                created_at=platform.clock.now(),
                created_by=WORKER.label,
            )
        )
    assert (await sold(platform, "2027-07-01")).id == "2027-01"


async def test_who_agreed_keeps_the_price_until_they_choose_another_plan(client, platform, clock):
    await client.post("/v1/tariffs", json=tariff(valid_from="2027-01-01"))
    async with platform.database.transaction() as session:
        agreed = (await service.current(session, date(2026, 12, 1))).quote("solo", ["agenda"], "EUR")
        kept = (await service.get(session, agreed.tariff)).quote("solo", ["agenda"], "EUR")
        anew = (await service.current(session, date(2027, 2, 1))).quote("solo", ["agenda"], "EUR")
    assert [str(quote.total) for quote in (agreed, kept, anew)] == ["41.00", "41.00", "43.00"]
