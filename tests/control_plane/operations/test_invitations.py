"""The owner's link: sent again, its address corrected, over once used."""

from uuid import UUID

from tests.control_plane.operations.test_worker import mails


async def test_the_link_can_be_sent_again_and_the_earlier_one_dies(provisioned, client, worker, platform, deployer, operation_of):
    tenant = await provisioned()

    answer = await client.post("/v1/tenants/sol/invitation", json={})
    await worker.drain()

    assert answer.status_code == 202
    assert (await operation_of(answer.json()))["state"] == "succeeded"
    assert len(mails(platform)) == 2
    assert deployer.told(UUID(tenant["id"]))["invited"]["serial"] == 2


async def test_the_address_can_be_corrected_and_restarts_nobody(provisioned, client, worker, platform, deployer, shown):
    tenant = await provisioned()

    await client.post("/v1/tenants/sol/invitation", json={"owner_email": "eva@sol.example"})
    await worker.drain()

    corrected = await shown()
    assert mails(platform)[-1]["To"] == "eva@sol.example"
    assert deployer.told(UUID(tenant["id"]))["invited"]["email"] == "eva@sol.example"
    assert [what for _, what in deployer.log() if what.startswith("apply")] == ["apply 1"]
    assert (corrected["owner_email"], corrected["state"], corrected["in_sync"]) == ("eva@sol.example", "active", True)


async def test_an_address_corrected_during_set_up_gets_the_only_mail(order, client, worker, platform):
    started = await order()

    answer = await client.post("/v1/tenants/sol/invitation", json={"owner_email": "eva@sol.example"})
    await worker.drain()

    assert answer.json()["operation"]["id"] == started["operation"]["id"]
    assert [mail["To"] for mail in mails(platform)] == ["eva@sol.example"]


async def test_an_owner_who_set_a_password_is_not_invited_again(provisioned, client, deployer):
    tenant = await provisioned()
    deployer.behave(UUID(tenant["id"]), claimed=True)

    answer = await client.post("/v1/tenants/sol/invitation", json={})

    assert (answer.status_code, answer.json()["code"]) == (409, "owner_claimed")


async def test_a_repeated_set_up_whose_owner_was_quicker_succeeds(order, worker, deployer, shown):
    started = await order()
    deployer.behave(UUID(started["tenant"]["id"]), claimed=True)
    await worker.drain()

    tenant = await shown()
    assert tenant["state"] == "active"
    assert tenant["operation"]["result"]["invitation"] == {"sent": False, "why": "the owner has a password"}
