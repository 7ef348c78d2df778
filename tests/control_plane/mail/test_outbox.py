"""Mails are rows until they are handed over: once, never before the deed they tell of, and never lost."""

import dataclasses

import jinja2
import pytest

from control_plane.errors import TemporaryError
from control_plane.mail import outbox
from control_plane.mail.delivery import deliver

VALUES = {"clinic": "Clínica Sol", "link": "http://sol.example/welcome?token=abc", "days": 7}


class Died(BaseException):
    """What ends a process ends no mail."""


class Postman:
    """A mailer that keeps what it is given, or refuses with `trouble`."""

    def __init__(self):
        self.trouble = None
        self.sent = []

    async def send(self, mail):
        if self.trouble is not None:
            raise self.trouble
        self.sent.append(mail)


@pytest.fixture
def postman():
    return Postman()


@pytest.fixture
def platform(platform, postman):
    return dataclasses.replace(platform, mailer=postman)


@pytest.fixture
def write(platform):
    async def write(key="k1", **changes):
        told = {"to": "ana@sol.example", "template": "invitation", "locale": "es-ES", **VALUES, **changes}
        async with platform.database.transaction() as session:
            return await outbox.send(session, key=key, at=platform.clock.now(), **told)

    return write


@pytest.fixture
def mails(client):
    async def mails(**filters):
        return (await client.get("/v1/mails", params=filters)).json()["items"]

    return mails


async def test_a_mail_is_sent_once_and_its_text_is_not_kept(platform, postman, write, mails):
    assert await write()
    assert not await write()

    await deliver(platform)
    await deliver(platform)

    (mail,) = postman.sent
    assert (mail.key, mail.subject) == ("k1", "Su clínica Clínica Sol está lista")
    assert VALUES["link"] in mail.text.splitlines()
    (shown,) = await mails()
    assert (shown["state"], shown["reason"], shown["next_attempt_at"]) == ("sent", None, None)
    async with platform.database.transaction() as session:
        assert (await outbox.get(session, shown["id"])).text is None


async def test_a_mail_whose_deed_was_rolled_back_is_never_sent(platform, postman):
    with pytest.raises(ValueError, match="the deed failed"):
        async with platform.database.transaction() as session:
            told = {"to": "ana@sol.example", "template": "invitation", "locale": "es", **VALUES}
            await outbox.send(session, key="k1", at=platform.clock.now(), **told)
            raise ValueError("the deed failed")
    await deliver(platform)
    assert postman.sent == []


async def test_a_mail_server_that_is_away_delays_a_mail_with_the_reason(platform, postman, clock, write, mails):
    postman.trouble = TemporaryError("The mail server did not take it.")
    await write()
    await deliver(platform)
    (waiting,) = await mails(state="waiting")
    assert (waiting["attempts"], waiting["reason"]) == (1, "The mail server did not take it.")

    postman.trouble = None
    await deliver(platform)
    assert postman.sent == []
    clock.advance(minutes=1)
    await deliver(platform)
    assert len(postman.sent) == 1


async def test_after_three_days_a_person_has_to_look_and_may_ask_again(platform, postman, clock, client, write, mails):
    postman.trouble = TemporaryError("The mail server did not take it.")
    await write()
    for _ in range(80):
        await deliver(platform)
        clock.advance(hours=1)
    (given_up,) = await mails(state="failed")
    assert given_up["reason"] == "The mail server did not take it."

    postman.trouble = None
    again = await client.post(f"/v1/mails/{given_up['id']}/send-again")
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    await deliver(platform)
    assert len(postman.sent) == 1
    refused = await client.post(f"/v1/mails/{given_up['id']}/send-again")
    assert (refused.status_code, refused.json()["code"]) == (409, "mail_not_failed")


async def test_a_mail_that_can_never_be_sent_is_given_up_and_holds_up_nobody(platform, postman, write, mails):
    postman.trouble = ValueError("a header cannot hold this")
    await write()
    await deliver(platform)
    (given_up,) = await mails()
    assert (given_up["state"], "a header cannot hold this" in given_up["reason"]) == ("failed", True)


async def test_a_worker_that_dies_while_sending_loses_no_mail(platform, postman, clock, write):
    postman.trouble = Died()
    await write()
    with pytest.raises(Died):
        await deliver(platform)

    postman.trouble = None
    await deliver(platform)
    assert postman.sent == []
    clock.advance(minutes=5)
    await deliver(platform)
    assert len(postman.sent) == 1


async def test_a_value_that_is_missing_is_an_error_and_no_empty_place(platform, write):
    with pytest.raises(jinja2.UndefinedError, match="link"):
        async with platform.database.transaction() as session:
            told = {"to": "ana@sol.example", "template": "invitation", "locale": "es", "clinic": "Sol", "days": 7}
            await outbox.send(session, key="k1", at=platform.clock.now(), **told)


async def test_mails_are_listed_in_pages_with_filters(write, mails, client):
    for number in range(3):
        await write(f"k{number}", clinic=f"Sol {number}")
    first = (await client.get("/v1/mails", params={"limit": 2})).json()
    rest = (await client.get("/v1/mails", params={"limit": 2, "after": first["next"]})).json()

    assert [mail["subject"].split()[-3] for mail in first["items"] + rest["items"]] == ["2", "1", "0"]
    assert rest["next"] is None
    assert await mails(template="law_date") == []
    assert (await client.get(f"/v1/mails/{rest['items'][0]['id']}")).json() == rest["items"][0]


async def test_what_was_sent_long_ago_and_what_is_erased_leaves_nothing(platform, clock, write, mails):
    await write()
    await deliver(platform)
    clock.advance(days=181)
    async with platform.database.transaction() as session:
        await outbox.forget_old(session, at=clock.now())
    assert await mails() == []
