"""What a reseller may open, sell and show, and what it is refused, through the API."""

import base64

from sqlalchemy import text

from control_plane.plans import official_tariff
from tests.control_plane.resellers.conftest import make_reseller, new_clinic, revoke
from tests.control_plane.resellers.test_terms import png


async def test_over_its_ceiling_a_reseller_is_refused_with_the_reason_and_nothing_is_left(client, platform):
    small = await make_reseller(client, platform, "Small", max_tenants=1, modules=["agenda"])
    assert (await small.opens("one")).status_code == 202

    too_many = await small.opens("two")
    by_the_other_door = await client.post("/v1/tenants", json=new_clinic("two"), headers=small.headers["admin"])
    assert {too_many.json()["code"], by_the_other_door.json()["code"]} == {"reseller_tenants_exceeded"}
    assert "has 1 tenants and may have 1" in too_many.json()["detail"]
    assert [one["slug"] for one in (await client.get("/v1/tenants")).json()["items"]] == ["one"]


async def test_modules_beyond_the_ceiling_are_the_clinic_s_own_to_choose(client, platform):
    from tests.control_plane.resellers.conftest import owner_of

    small = await make_reseller(client, platform, "Small", modules=["agenda"])
    refused = await small.opens("one", modules=["agenda", "billing"])
    assert (refused.status_code, refused.json()["code"], refused.json()["modules"]) == (403, "reseller_modules_exceeded", ["billing"])
    await small.opens("one", modules=["agenda"])
    owner = await owner_of(platform, "one")

    by_reseller = await client.put("/v1/tenants/one/modules", json={"modules": ["agenda", "billing"]}, headers=small.headers["admin"])
    by_owner = await client.put("/v1/tenants/one/modules", json={"modules": ["agenda", "billing"]}, headers=owner)
    kept = await client.put("/v1/tenants/one/modules", json={"modules": ["billing"]}, headers=small.headers["admin"])
    assert (by_reseller.json()["code"], by_owner.status_code, kept.status_code) == ("reseller_modules_exceeded", 202, 202)


async def test_a_region_beyond_the_ceiling_is_refused(client, platform):
    small = await make_reseller(client, platform, "Small", regions=["eu-central"])
    refused = await small.opens("one")
    assert (refused.status_code, refused.json()["code"]) == (403, "reseller_region_exceeded")


async def test_a_place_that_is_given_up_can_be_taken_again(client, platform):
    small = await make_reseller(client, platform, "Small", max_tenants=1)
    await small.opens("one")
    async with platform.database.transaction() as session:
        await session.execute(text("ALTER TABLE tenant DISABLE TRIGGER USER"))
        await session.execute(text("UPDATE tenant SET state = 'deleted', deleted_at = now(), state_deadline = NULL"))
        await session.execute(text("ALTER TABLE tenant ENABLE TRIGGER USER"))
    assert (await small.opens("two")).status_code == 202


async def test_after_the_clinic_revoked_it_the_reseller_acts_no_more_and_sees_only_that_it_is_a_customer(client, north, luna):
    acted = await client.get("/v1/tenants/luna", headers=north.headers["admin"])
    assert (await revoke(client, north, "luna", luna)).status_code == 200

    answers = [
        await client.request(method, path, json=body, headers=north.headers["admin"])
        for method, path, body in (
            ("GET", "/v1/tenants/luna", None),
            ("PUT", "/v1/tenants/luna/modules", {"modules": ["agenda"]}),
            ("POST", "/v1/tenants/luna/plan", {"modules": []}),
            ("POST", "/v1/tenants/luna/backups", None),
        )
    ]
    (customer,) = (await north.ask("GET", "/tenants")).json()["items"]
    assert acted.status_code == 200
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "unknown_tenant")}
    assert (customer["slug"], customer["granted"], customer["payer"]) == ("luna", False, "clinic")


async def test_prices_below_the_floor_are_refused_and_others_asked_of_clinics(north):
    low = await north.ask("PUT", "/prices", json={"prices": {"plan.solo": {"EUR": "20.00"}}})
    assert (low.status_code, low.json()["code"], low.json()["items"][0]["floor"]) == (422, "price_below_floor", "23.20")

    await north.ask("PUT", "/prices", json={"prices": {"plan.solo": {"EUR": "35.00"}}})
    listed = (await north.ask("GET", "/prices", role="staff")).json()["items"]
    solo = {one["currency"]: (one["listed"], one["floor"], one["asked"]) for one in listed if one["item"] == "plan.solo"}
    assert solo == {
        "EUR": ("29.00", "23.20", "35.00"),
        "GBP": ("26.00", "20.80", "26.00"),
        "CHF": ("32.00", "25.60", "32.00"),
    }


async def test_terms_hold_from_their_day_on_and_earlier_ones_stay(client, north, clock):
    body = {"commission_percent": "25.00", "valid_from": clock.now().replace(year=2100).isoformat()}
    assert (await client.post(f"{north.path}/terms", json=body)).status_code == 201
    by_itself = await north.ask("POST", "/terms", json={"commission_percent": "99.00"})

    assert by_itself.json()["code"] == "for_operators"
    assert (await north.ask("GET")).json()["terms"]["commission_percent"] == "20.00"
    assert [one["commission_percent"] for one in (await north.ask("GET", "/terms")).json()["items"]] == ["25.00", "20.00"]


async def test_a_reseller_shows_itself_where_it_can_be_read(client, north, south):
    pale = await north.ask("PUT", "/brand", json={"title": "North Dental", "colour": "#f5c518"})
    assert pale.json()["code"] == "brand_contrast_too_low"
    logo = base64.b64encode(png()).decode()
    body = {"title": "North Dental", "colour": "#0B3D91", "slug": "north", "logo": logo, "website": "https://north.example"}
    shown = (await north.ask("PUT", "/brand", json=body)).json()
    again = (await north.ask("PUT", "/brand", json={"title": "North", "colour": "#0B3D91"})).json()

    assert (shown["colour"], shown["slug"], shown["website"], len(shown["logo"])) == ("#0b3d91", "north", "https://north.example/", 64)
    assert (again["logo"], again["slug"]) == (shown["logo"], "north")
    taken = await south.ask("PUT", "/brand", json={"title": "South", "colour": "#0B3D91", "slug": "north"})
    assert taken.json()["code"] == "reseller_slug_taken"


async def test_a_reseller_hires_and_dismisses_its_own_people_only(client, north, south):
    hired = await north.ask("POST", "/staff", json={"email": "eva@north.example", "name": "Eva"})
    (stranger,) = [one["id"] for one in (await south.ask("GET", "/staff")).json()["items"] if one["role"] == "staff"]
    refused = await north.ask("DELETE", f"/staff/{stranger}")
    await client.post("/v1/tenants", json={"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "Ana@sol.example", "modules": []})
    owners = await north.ask("POST", "/staff", json={"email": "ana@sol.example", "name": "Ana"})
    by_staff = await north.ask("POST", "/staff", role="staff", json={"email": "x@north.example", "name": "x"})
    gone = await north.ask("DELETE", f"/staff/{hired.json()['id']}")

    assert (hired.status_code, hired.json()["invitation"] is not None) == (201, True)
    assert (refused.json()["code"], by_staff.json()["code"]) == ("unknown_account", "scope_needed")
    # Its person could not reach their own clinic any more: an address has one account.
    assert owners.json()["code"] == "account_exists"
    assert gone.json()["disabled_at"] is not None


async def test_floors_are_those_of_what_is_sold_now(north, client):
    dearer = official_tariff().model_dump(mode="json")
    dearer["plans"]["solo"]["price"]["EUR"] = "50.00"
    published = await client.post("/v1/tariffs", json={**dearer, "id": "2026-11b"})
    assert published.status_code == 201, published.text

    low = await north.ask("PUT", "/prices", json={"prices": {"plan.solo": {"EUR": "39.00"}}})
    listed = (await north.ask("GET", "/prices")).json()

    assert (low.status_code, "40.00" in low.text) == (422, True)
    assert listed["tariff"] == "2026-11b"
