"""What every module must be able to do, with rows made through its own routes."""

from app.testing.conformance import *  # noqa: F403

MODULE = "inventory"


async def populate(client, clinic):
    body = {"code": "GLOVE", "name": "Gloves"}
    item = (await client.post("/api/v1/inventory/items", json=body, headers=clinic.headers)).json()["data"]
    url = f"/api/v1/inventory/items/{item['id']}/movements"
    response = await client.post(url, json={"quantity": 100}, headers=clinic.headers)
    assert response.status_code == 201, response.text
