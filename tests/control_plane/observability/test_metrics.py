"""What a Prometheus reads of the platform, and by what it finds the runtimes."""

import re
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families

from control_plane.databases import SharedServer
from control_plane.operations.worker import Worker

NEW = {"name": "Clínica Sol", "slug": "clinica-sol", "country": "ES", "owner_email": "ana@example.com", "modules": ["agenda"]}


@pytest.fixture
async def tenant_id(client, platform, postgres):
    """An active tenant."""
    server = SharedServer(postgres.admin_url, bindir=postgres.bindir)
    created = await client.post("/v1/tenants", json=NEW, headers={"Idempotency-Key": "one"})
    assert created.status_code == 202, created.text
    await Worker(platform, server, name="worker-1").drain()
    found = (await client.get("/v1/tenants/clinica-sol")).json()
    assert found["state"] == "active"
    yield UUID(found["id"])
    await server.drop(UUID(found["id"]))


async def scraped(client):
    """{(sample, labels): value} as Prometheus' own parser reads it, and the text."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}, answer.text


async def test_tenants_operations_and_steps_are_counted(client, tenant_id):
    found, _ = await scraped(client)

    assert found["dentalpin_platform_tenants", ("state", "active")] == 1
    assert found["dentalpin_platform_operations", ("kind", "provision"), ("state", "succeeded")] == 1
    assert found["dentalpin_platform_steps_total", ("kind", "provision"), ("step", "attest")] == 1
    assert found[("dentalpin_platform_operation_oldest_seconds",)] == 0
    assert found[("process_resident_memory_bytes",)] > 0


async def test_alerts_and_the_dashboard_speak_of_what_is_measured(client):
    root = Path(__file__).parents[3]
    written = [root / "docs/operators/alerts.yml", root / "charts/control-plane/files/dashboard.json"]
    named = {name for file in written for name in re.findall(r"\bdentalpin_platform_[a-z_]+", file.read_text())}
    _, text = await scraped(client)
    measured = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    measured |= {f"{name}_bucket" for name in measured}

    assert len(named) > 8
    assert named - measured == set()


async def test_requests_are_counted_by_their_route_and_name_nobody(client, tenant_id):
    found, text = await scraped(client)

    route = ("route", "/v1/tenants/{slug}")
    assert found["dentalpin_platform_http_requests_total", ("method", "GET"), route, ("status", "200")] >= 1
    for personal in ("clinica-sol", "ana@example.com", str(tenant_id)):
        assert personal not in text


async def test_the_runtimes_that_serve_are_found_and_nobody_is_woken(client, tenant_id, deployer):
    assert (await client.get("/metrics/targets")).json() == [{"targets": ["127.0.0.1:9"], "labels": {"tenant": str(tenant_id)}}]

    deployer.behave(tenant_id, idle=True)

    assert (await client.get("/metrics/targets")).json() == []


@pytest.mark.parametrize("path", ["/metrics", "/metrics/targets"])
async def test_without_an_operators_key_there_is_nothing_to_see(client, path):
    answer = await client.get(path, headers={"Authorization": ""})

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_every_answer_carries_the_id_its_log_lines_have(client):
    first, second = [(await client.get("/health/live")).headers["x-request-id"] for _ in range(2)]

    assert first != second
