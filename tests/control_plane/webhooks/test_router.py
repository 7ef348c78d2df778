"""Webhooks over the API: made, changed, tested, sent again; their secrets are seen once."""

from sqlalchemy import text

from control_plane.webhooks.events import EVENTS
from tests.control_plane.webhooks.conftest import slugs


async def test_the_secret_is_seen_once_and_stored_sealed(client, make, receiver, platform):
    body = {"url": receiver.url}
    made = (await client.post("/v1/webhooks", json=body, headers={"Idempotency-Key": "k1"})).json()
    again = (await client.post("/v1/webhooks", json=body, headers={"Idempotency-Key": "k1"})).json()

    assert made["secret"].startswith("whsec_")
    assert (again["id"], again["secret"]) == (made["id"], None)
    assert "secret" not in (await client.get(f"/v1/webhooks/{made['id']}")).json()
    async with platform.database.transaction() as session:
        stored = await session.scalar(text("SELECT sealed_secret FROM webhook_endpoint"))
        kept = await session.scalars(text("SELECT body FROM idempotent_answer"))
        assert not [one for one in (stored, *kept) if made["secret"].encode() in one]


async def test_a_secret_is_rotated_while_both_sign(client, make, happen, send, receiver, clock):
    webhook = await make(receiver)
    rotated = (await client.post(f"/v1/webhooks/{webhook['id']}/rotate-secret")).json()
    assert rotated["secret"] != webhook["secret"]
    await happen("sol")
    await send()
    clock.advance(hours=24)
    await happen("luna")
    await send()

    signatures = [len(one.headers["webhook-signature"].split()) for one in receiver.received]
    assert signatures == [2, 1]


async def test_what_is_wrong_with_a_webhook_is_said(client):
    unknown = await client.post("/v1/webhooks", json={"url": "https://93.184.216.34/", "events": ["tenant.danced"]})
    inside = await client.post("/v1/webhooks", json={"url": "http://169.254.169.254/latest/meta-data/"})
    missing = await client.get("/v1/webhooks/00000000-0000-0000-0000-000000000000")

    assert (unknown.status_code, unknown.json()["code"], unknown.json()["events"]) == (422, "unknown_events", ["tenant.danced"])
    assert (inside.status_code, inside.json()["code"]) == (422, "webhook_address_refused")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_webhook")


async def test_a_change_that_was_made_from_an_older_version_is_refused(client, make, receiver, happen, send):
    webhook = await make(receiver)
    path = f"/v1/webhooks/{webhook['id']}"
    tag = (await client.get(path)).headers["etag"]
    await happen("sol")
    await send()
    assert (await client.get(path)).headers["etag"] == tag, "a delivery is no change of the webhook"

    first = await client.patch(path, json={"description": "one", "events": ["tenant.created"]}, headers={"If-Match": tag})
    second = await client.patch(path, json={"description": "two"}, headers={"If-Match": tag})
    third = await client.patch(path, json={"description": "three"}, headers={"If-Match": second.json()["etag"]})

    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 412, "changed_since")
    assert (third.json()["description"], third.json()["events"]) == ("three", ["tenant.created"])
    assert third.headers["etag"] not in (tag, first.headers["etag"])


async def test_a_test_event_and_a_redelivery(client, make, send, receiver, happen):
    webhook = await make(receiver, events=["tenant.created"])
    tested = await client.post(f"/v1/webhooks/{webhook['id']}/test")
    refused = await client.post(f"/v1/webhooks/{webhook['id']}/deliveries/{tested.json()['id']}/redeliver")
    assert (tested.status_code, refused.json()["code"]) == (202, "delivery_pending")
    await happen("sol")
    await send()
    again = await client.post(f"/v1/webhooks/{webhook['id']}/deliveries/{tested.json()['id']}/redeliver")
    await send()

    assert receiver.events == ["webhook.test", "tenant.created", "webhook.test"]
    detail = (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries/{again.json()['id']}")).json()
    assert (detail["redelivery_of"], detail["state"], detail["payload"]["type"]) == (tested.json()["id"], "delivered", "webhook.test")
    assert detail["message_id"] == tested.json()["message_id"]


async def test_a_webhook_that_is_removed_is_gone_with_its_deliveries(client, make, send, receiver, other, happen):
    webhook, stranger = await make(receiver), await make(other)
    await happen("sol")
    await send()
    theirs = (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).json()["items"][0]["id"]
    foreign = await client.get(f"/v1/webhooks/{stranger['id']}/deliveries/{theirs}")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "unknown_delivery")

    assert (await client.delete(f"/v1/webhooks/{webhook['id']}")).status_code == 204
    await happen("luna")
    await send()
    assert slugs(receiver) == ["sol"]
    assert (await client.get(f"/v1/webhooks/{webhook['id']}/deliveries")).status_code == 404
    listed = (await client.get("/v1/webhooks")).json()["items"]
    assert [one["id"] for one in listed] == [stranger["id"]]


async def test_switching_off_and_on_is_repeatable(client, make, receiver):
    path = f"/v1/webhooks/{(await make(receiver))['id']}"
    off = [(await client.post(f"{path}/disable")).json() for _ in range(2)]
    on = [(await client.post(f"{path}/enable")).json() for _ in range(2)]
    assert [one["state"] for one in off + on] == ["disabled", "disabled", "enabled", "enabled"]
    assert off[0]["reason"].startswith("Disabled by operator:")


async def test_the_events_are_listed_with_what_they_tell(client):
    listed = (await client.get("/v1/webhooks/events")).json()["items"]
    assert [one["name"] for one in listed] == list(EVENTS)
    assert all(one["summary"].endswith(".") for one in listed)
