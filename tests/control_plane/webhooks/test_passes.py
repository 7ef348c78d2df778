"""The worker sends what waits, without being asked."""

from control_plane.databases import SharedServer
from control_plane.operations.worker import Worker
from tests.support.receiver import status


async def test_the_worker_tells_receivers_and_people(platform, platform_settings, make, happen, receiver, client, postgres):
    await make(receiver, contact="it@partner.example")
    receiver.answers = [status(410)]
    await happen("sol")
    worker = Worker(platform, SharedServer(postgres.admin_url, bindir=postgres.bindir))
    await worker.run_passes("webhooks")
    await worker.run_passes("mails")

    assert receiver.events == ["tenant.created"]
    (mail,) = (await client.get("/v1/mails")).json()["items"]
    assert (mail["state"], mail["to"]) == ("sent", "it@partner.example")
    assert "webhooks recover" in next(platform_settings.mails.glob("webhook-disabled-*.eml")).read_text()
