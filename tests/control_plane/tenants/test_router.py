"""/v1/tenants through its door."""


def clinic(**changes):
    return {"name": "Clínica Sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"], **changes}


async def test_a_new_tenant_is_answered_with_its_operation(client):
    response = await client.post("/v1/tenants", json=clinic())

    assert response.status_code == 202, response.text
    body = response.json()
    assert body["tenant"]["slug"] == "clinica-sol"
    assert body["tenant"]["state"] == "provisioning"
    assert [module["name"] for module in body["tenant"]["desired"]["modules"]] == ["patients", "agenda"]
    assert [step["name"] for step in body["operation"]["steps"]] == ["secrets", "database", "deploy", "attest", "invite"]
