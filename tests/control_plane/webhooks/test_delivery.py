"""Events reach their receiver in order, signed, and at least once, whatever it does."""

import asyncio
import dataclasses
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from control_plane.webhooks import delivery
from control_plane.webhooks.delivery import ATTEMPTS, DISABLE_AFTER, deliver
from control_plane.webhooks.service import forget_old
from tests.control_plane.webhooks.conftest import slugs
from tests.support.receiver import OK, status


async def test_what_happens_is_told_in_order_to_those_who_asked_for_it(make, happen, send, receiver, other, client, clock):
    await happen("before")
    clock.advance(seconds=1)
    await make(receiver)
    await make(other, events=["tenant.delete_requested"])
    await happen("sol", "luna")
    await client.delete("/v1/tenants/sol")
    await send()

    assert receiver.events == ["tenant.created", "tenant.created", "tenant.delete_requested"]
    assert slugs(receiver) == ["sol", "luna", "sol"]
    assert other.events == ["tenant.delete_requested"]
    first = receiver.received[0]
    assert first.line == "POST /hooks?for=dentalpin HTTP/1.1"
    assert first.event["data"]["modules"] == ["agenda"]
    assert set(first.event) == {"type", "timestamp", "data"}


async def test_a_receiver_verifies_with_the_library_of_the_specification(make, happen, send, receiver, clock):
    clock.advance(seconds=(datetime.now(UTC) - clock.now()).total_seconds())
    secret = (await make(receiver))["secret"]
    await happen("sol")
    await send()

    (got,) = receiver.received
    assert Webhook(secret).verify(got.body, got.headers)["type"] == "tenant.created"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(got.body.replace(b"sol", b"eva"), got.headers)


async def test_nothing_is_told_of_what_was_rolled_back(make, send, receiver, client):
    await make(receiver)
    body = {"name": "Sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["nonsense"]}
    assert (await client.post("/v1/tenants", json=body)).status_code == 422
    await send()
    assert receiver.received == []


async def test_a_receiver_that_times_out_and_comes_back_has_missed_nothing(
    make, happen, send, receiver, impatient, clock, shown, deliveries
):
    webhook = await make(receiver)
    receiver.usual = None
    await happen("sol", "luna")
    await deliver(impatient)
    waiting = await shown(webhook)
    assert (waiting["failures"], waiting["next_attempt_at"]) == (1, "2026-11-21T10:00:05Z")
    assert [one["reason"] for one in await deliveries(webhook)] == ["No answer within 0.2 seconds.", None]

    await send()
    assert slugs(receiver) == ["sol"], "it was not due yet"
    receiver.usual = OK
    clock.advance(seconds=5)
    await send()

    assert slugs(receiver) == ["sol", "sol", "luna"]
    assert receiver.received[0].headers["webhook-id"] == receiver.received[1].headers["webhook-id"]
    assert receiver.received[0].body == receiver.received[1].body
    assert (await shown(webhook))["failures"] == 0
    assert [one["state"] for one in await deliveries(webhook)] == ["delivered", "delivered"]


LIES = {
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "hangs up": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 300_000,
    "an error": status(500),
    "another place": status(302, location="http://example.com/"),
    "it is wrong": status(400),
    "a status that is none": b"HTTP/1.1 999 Great\r\ncontent-length: 0\r\n\r\n",
}


async def test_what_is_no_yes_is_not_taken_for_one(make, send, receiver, clock, deliveries, client):
    webhook = await make(receiver)
    for lie, answer in LIES.items():
        receiver.answers = [answer]
        await client.post(f"/v1/webhooks/{webhook['id']}/test")
        await send()
        (waiting,) = await deliveries(webhook, state="pending")
        assert waiting["reason"], lie

        clock.advance(seconds=5)
        await send()
        taken = (await deliveries(webhook))[-1]
        assert (taken["state"], len(taken["attempts"])) == ("delivered", 2), lie
    assert len(receiver.received) == 2 * len(LIES)


async def test_an_answer_without_an_end_costs_nothing(make, happen, send, receiver, deliveries):
    webhook = await make(receiver)
    receiver.usual, receiver.hold_open = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nmore\r\n", True
    await happen("sol", "luna")
    await send()
    assert [one["state"] for one in await deliveries(webhook)] == ["delivered", "delivered"]


async def test_a_receiver_that_hangs_holds_up_no_other(make, happen, receiver, other, impatient):
    await make(receiver)
    await make(other)
    receiver.usual = None
    await happen("sol", "luna")
    await deliver(impatient)
    assert slugs(other) == ["sol", "luna"]


async def test_an_event_that_is_always_refused_is_left_behind(make, happen, send, receiver, clock, deliveries):
    webhook = await make(receiver)
    receiver.answers = [status(422)] * ATTEMPTS
    await happen("poison", "luna")
    for _ in range(ATTEMPTS + 1):
        await send()
        clock.advance(hours=13)

    states = [(one["state"], len(one["attempts"])) for one in await deliveries(webhook)]
    assert states == [("failed", ATTEMPTS), ("delivered", 1)]
    assert (await deliveries(webhook, state="failed"))[0]["reason"] == "It answered 422."


async def test_a_receiver_that_refuses_everything_is_disabled_and_told_and_recovers(
    make, happen, send, receiver, clock, client, shown, deliveries
):
    webhook = await make(receiver, contact="it@partner.example", language="es")
    receiver.usual = status(503)
    await happen("sol", "luna")
    for _ in range(DISABLE_AFTER):
        await send()
        clock.advance(hours=13)

    disabled = await shown(webhook)
    assert (disabled["state"], f"{DISABLE_AFTER} attempts in a row failed" in disabled["reason"]) == ("disabled", True)
    (mail,) = (await client.get("/v1/mails", params={"template": "webhook_disabled"})).json()["items"]
    assert (mail["to"], mail["subject"]) == ("it@partner.example", "Se ha desactivado un webhook de DentalPin")
    seen = len(receiver.received)
    await happen("mar")
    await send()
    assert len(receiver.received) == seen, "a disabled webhook is left alone"
    assert [one["state"] for one in await deliveries(webhook)] == ["failed", "skipped", "skipped"]

    receiver.usual = OK
    receiver.received.clear()
    assert (await client.post(f"/v1/webhooks/{webhook['id']}/recover", json={})).json()["code"] == "webhook_disabled"
    await client.post(f"/v1/webhooks/{webhook['id']}/enable")
    recovered = await client.post(f"/v1/webhooks/{webhook['id']}/recover", json={})
    await send()
    assert (recovered.json(), slugs(receiver)) == ({"queued": 3}, ["sol", "luna", "mar"])
    assert (await client.post(f"/v1/webhooks/{webhook['id']}/recover", json={})).json() == {"queued": 0}


async def test_a_receiver_that_is_gone_is_not_called_again(make, happen, send, receiver, shown, deliveries):
    webhook = await make(receiver)
    receiver.usual = status(410)
    await happen("sol", "luna")
    await send()
    assert ((await shown(webhook))["state"], len(receiver.received)) == ("disabled", 1)
    assert [one["state"] for one in await deliveries(webhook)] == ["skipped", "skipped"]


@pytest.mark.parametrize(
    ("wish", "due"),
    [
        ("600", "2026-11-21T10:10:00Z"),
        ("Sat, 21 Nov 2026 10:20:00 GMT", "2026-11-21T10:20:00Z"),
        ("99999999999", "2026-11-22T10:00:00Z"),
        ("0", "2026-11-21T10:00:05Z"),
        ("soon", "2026-11-21T10:00:05Z"),
    ],
)
async def test_a_receiver_says_when_it_wants_to_be_called_again(make, happen, send, receiver, shown, wish, due):
    webhook = await make(receiver)
    receiver.answers = [status(429, retry_after=wish)]
    await happen("sol")
    await send()
    assert (await shown(webhook))["next_attempt_at"] == due


async def test_two_workers_send_nothing_twice_and_keep_the_order(make, happen, platform, receiver):
    await make(receiver)
    names = [f"clinic-{number}" for number in range(6)]
    await happen(*names)
    await asyncio.gather(*(deliver(platform) for _ in range(4)))
    await deliver(platform)
    assert slugs(receiver) == names


class Died(BaseException):
    """What ends a worker between the answer and its note of it."""


async def test_a_worker_that_dies_while_sending_is_followed_by_another(make, happen, platform, send, receiver, clock, deliveries):
    class DiesAfterwards:
        async def send(self, *given, **named):
            await platform.sender.send(*given, **named)
            raise Died

    webhook = await make(receiver)
    await happen("sol")
    with pytest.raises(Died):
        await deliver(dataclasses.replace(platform, sender=DiesAfterwards()))
    await send()
    assert slugs(receiver) == ["sol"]

    clock.advance(minutes=11)
    await send()
    assert slugs(receiver) == ["sol", "sol"]
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert (await deliveries(webhook))[0]["state"] == "delivered"


async def test_a_worker_that_was_thought_dead_writes_nothing(make, happen, platform, receiver, clock, shown):
    """It was away for longer than its lease, and another one has taken the queue since."""

    class Slow:
        async def send(self, *given, at):
            clock.advance(minutes=11)
            await deliver(platform)
            return await platform.sender.send("http://127.0.0.1:1/", {}, "{}", at=at)

    webhook = await make(receiver)
    await happen("sol")
    await deliver(dataclasses.replace(platform, sender=Slow()))
    assert ((await shown(webhook))["failures"], slugs(receiver)) == (0, ["sol"])


async def test_events_are_kept_for_a_month_and_as_long_as_they_wait(
    make, happen, send, receiver, other, clock, platform, deliveries, client
):
    told, waiting = await make(receiver), await make(other)
    other.usual = status(500)
    await happen("sol")
    await send()
    clock.advance(days=31)
    async with platform.database.transaction() as session:
        await forget_old(session, at=clock.now())
    assert len(await deliveries(told)) == 1, "the event waits for the other receiver still"

    await client.post(f"/v1/webhooks/{waiting['id']}/disable")
    async with platform.database.transaction() as session:
        await forget_old(session, at=clock.now())
    assert await deliveries(told) == await deliveries(waiting) == []


def test_the_pauses_grow_and_last_two_days():
    pauses = delivery.PAUSES
    assert list(pauses) == sorted(pauses)
    assert 36 <= sum(pause.total_seconds() for pause in pauses) / 3600 <= 60
