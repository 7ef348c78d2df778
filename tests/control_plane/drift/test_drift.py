"""Who runs something else than they should is shown, with what differs."""

import pytest

from control_plane.operations.observing import keep
from tests.support.clinics import serving_clinic


@pytest.fixture
def look(platform, deployer):
    async def look(tenant_id):
        async with platform.database.transaction() as session:
            await keep(session, tenant_id, await deployer.observe(tenant_id), at=platform.clock.now())

    return look


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ({}, None),
        ({"idle": True}, None),
        ({"modules": {"agenda": "to_install"}}, "agenda"),
        ({"versions": {"agenda": "9.9.9"}}, "9.9.9"),
        ({"release": "sha256:another"}, "sha256:another"),
        ({"fails": "no disk"}, "no disk"),
        ({"healthy": False}, "not healthy"),
    ],
)
async def test_a_clinic_that_runs_something_else_is_shown_with_what(client, platform, deployer, look, behaviour, says):
    tenant_id = await serving_clinic(client, platform, deployer)
    deployer.behave(tenant_id, **behaviour)
    await look(tenant_id)

    answer = await client.get("/v1/drift")
    assert answer.status_code == 200, answer.text
    found = answer.json()["items"]

    assert [one["slug"] for one in found] == (["sol"] if says else [])
    assert all(says in one["what"][0] for one in found)


async def test_a_place_that_lost_its_clinic_is_drift(client, platform, deployer, look):
    tenant_id = await serving_clinic(client, platform, deployer)
    await deployer.remove(tenant_id)
    await look(tenant_id)

    (found,) = (await client.get("/v1/drift")).json()["items"]

    assert found["what"] == ["nothing was applied"]
