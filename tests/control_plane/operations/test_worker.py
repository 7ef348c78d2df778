"""Operations carried out by a worker on a real database server, with a deployer that runs nothing."""


async def test_a_tenant_is_provisioned(client, worker, deployer, provisioned):
    tenant = await provisioned()

    assert tenant["state"] == "active"
    assert tenant["url"].startswith("http://")
    assert tenant["in_sync"] is True
    assert tenant["observed"]["revision"] == tenant["desired"]["revision"] == 1
    assert tenant["operation"]["state"] == "succeeded"
