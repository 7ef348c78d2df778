"""A served runtime as its operator sees it: metrics on the control channel, a mode from the revision, a log that says who did what."""

import asyncio
import json

from prometheus_client.parser import text_string_to_metric_families

from tests.dentalpin_kit.test_tracing import collector as collector
from tests.support.runtime_process import get_json


async def text_of(address, path):
    """Status and text of one request."""
    host, port = address
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: clinic\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body.decode()


def control_of(process):
    return tuple(process.control.removeprefix("http://").split(":"))


async def test_metrics_are_read_on_the_control_channel_and_nowhere_else(runtime):
    process = await runtime.serve()
    host, port = runtime.address
    await get_json(host, port, "/api/v1/agenda/cabinets")

    status, text = await text_of(control_of(process), "/metrics")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    assert status == 200
    assert found[("dentalpin_database_up",)] == 1
    assert found["dentalpin_modules", ("state", "installed")] == 2
    refused = ("dentalpin_http_requests_total", ("method", "GET"), ("route", "/api/v1/agenda/cabinets"), ("status", "401"))
    assert found[refused] == 1
    migrated = (("module", "agenda"), ("operation", "install"), ("status", "completed"), ("step", "migrate"))
    assert found["dentalpin_module_steps_total", *migrated] == 1
    assert (await text_of(runtime.address, "/metrics"))[0] == 404


async def test_the_mode_of_the_revision_binds_the_modules_and_leaves_the_core_alone(runtime, asked):
    runtime.revise(asked("patients", "agenda", generation=2, mode="export_only"))
    await runtime.serve()
    host, port = runtime.address

    status, body = await get_json(host, port, "/api/v1/patients", method="POST")

    assert (status, body["errors"][0]["code"]) == (403, "mode_export_only")
    assert (await get_json(host, port, "/api/v1/patients"))[0] == 401, "records are read in every mode, by who may"
    assert (await get_json(host, port, "/api/v1/auth/me"))[0] == 401


async def test_the_access_log_holds_routes_and_no_queries(runtime):
    process = await runtime.serve()
    host, port = runtime.address
    await get_json(host, port, "/api/v1/patients?search=Xochitl")
    await process.drain()

    lines = [json.loads(line) for line in (runtime.folder / "runtime.log").read_text().splitlines()]

    (line,) = [line for line in lines if line["logger"] == "dentalpin.access" and line["route"] == "/api/v1/patients"]
    assert (line["status"], line["module"]) == (401, "patients")
    assert "Xochitl" not in json.dumps(lines)


async def test_boot_steps_and_requests_are_traced_where_the_environment_names_a_collector(new_runtime, asked, collector):
    address, received = collector
    new_runtime.revise(asked("patients", "agenda"))
    process = await new_runtime.serve(OTEL_EXPORTER_OTLP_ENDPOINT=address)
    booted = b"".join(body for _, body in received)
    host, port = new_runtime.address
    await get_json(host, port, "/api/v1/patients?search=Xochitl")
    await process.drain()
    everything = b"".join(body for _, body in received)

    # What the first stage did is sent before it replaces itself.
    assert b"module install" in booted
    assert b"migrate" in booted
    assert b"GET /api/v1/patients" in everything
    assert b"Xochitl" not in everything
