"""The module as its users see it. The first test is the guide's (§9), word by word."""

from uuid import uuid4

import pytest

URL = "/api/v1/inventory"


def refusal(response):
    return response.status_code, response.json()["errors"][0]["code"]


@pytest.mark.asyncio
async def test_create_item(client, auth_headers):
    response = await client.post(
        "/api/v1/inventory/items",
        json={"code": "X", "name": "Widget"},
        headers=auth_headers,
    )
    assert response.status_code == 201


async def test_the_seeded_item_is_there(client, auth_headers):
    response = await client.get(f"{URL}/items", headers=auth_headers)

    page = response.json()
    assert [(item["code"], item["name"]) for item in page["data"]] == [("MASK-001", "Face Mask")]
    assert (page["total"], page["page"], page["page_size"]) == (1, 1, 20)


async def test_a_code_is_used_once_in_a_clinic(client, two_clinics):
    body = {"code": "X", "name": "Widget"}
    await client.post(f"{URL}/items", json=body, headers=two_clinics.a.headers)

    again = await client.post(f"{URL}/items", json=body, headers=two_clinics.a.headers)
    elsewhere = await client.post(f"{URL}/items", json=body, headers=two_clinics.b.headers)

    assert refusal(again) == (409, "item_code_taken")
    assert elsewhere.status_code == 201


async def test_another_clinics_items_are_not_seen_or_restocked(client, two_clinics):
    body = {"code": "X", "name": "Widget"}
    item = (await client.post(f"{URL}/items", json=body, headers=two_clinics.a.headers)).json()["data"]

    listed = (await client.get(f"{URL}/items", headers=two_clinics.b.headers)).json()["data"]
    restocked = await client.post(f"{URL}/items/{item['id']}/movements", json={"quantity": 5}, headers=two_clinics.b.headers)

    assert [found["code"] for found in listed] == ["MASK-001"]
    assert refusal(restocked) == (404, "item_not_found")


async def test_a_category_of_nobody_is_refused(client, auth_headers):
    body = {"code": "X", "name": "Widget", "category_id": str(uuid4())}

    assert refusal(await client.post(f"{URL}/items", json=body, headers=auth_headers)) == (404, "category_not_found")


BAD_BODIES = (
    {"code": "X" * 51, "name": "Widget"},
    {"code": "X", "name": "\x00"},
    {"code": "", "name": "Widget"},
    {"code": "X", "name": "Widget", "per_appointment": -1},
    {"code": "X", "name": "Widget", "per_appointment": 10**12},
)


async def test_bad_input_is_refused(client, auth_headers):
    answers = [(await client.post(f"{URL}/items", json=body, headers=auth_headers)).status_code for body in BAD_BODIES]

    assert dict(enumerate(answers)) == dict.fromkeys(range(len(BAD_BODIES)), 422)


async def test_a_page_that_cannot_be_is_refused_though_the_printed_route_does_not_check(client, auth_headers):
    queries = ("page=0", "page_size=-1", f"page={10**30}", "page=x")
    answers = [(await client.get(f"{URL}/items?{query}", headers=auth_headers)).status_code for query in queries]

    assert answers == [422] * 4


async def test_the_roles_may_do_what_the_manifest_says(client, two_clinics):
    clinic, answers = two_clinics.a, {}
    for role in clinic.people:
        headers = clinic.headers_of(role)
        read = await client.get(f"{URL}/items", headers=headers)
        written = await client.post(f"{URL}/items", json={"code": role, "name": "Widget"}, headers=headers)
        answers[role] = (read.status_code, written.status_code)

    assert answers == {
        "admin": (200, 201),
        "dentist": (200, 403),
        "hygienist": (403, 403),
        "assistant": (200, 201),
        "receptionist": (403, 403),
    }


async def test_goods_that_come_in_are_counted_and_told(client, auth_headers, published, two_clinics):
    [mask] = (await client.get(f"{URL}/items", headers=auth_headers)).json()["data"]

    response = await client.post(f"{URL}/items/{mask['id']}/movements", json={"quantity": 100}, headers=auth_headers)

    assert (response.status_code, response.json()["data"]["reason"]) == (201, "restocked")
    [event] = await published("inventory.restocked")
    assert event == {"clinic_id": str(two_clinics.a.id), "item_id": mask["id"], "qty": "100"}
