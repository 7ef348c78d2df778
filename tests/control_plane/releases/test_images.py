"""Releases that are images: registered by what they said of themselves, and what their modules reach."""

import json

from control_plane.deployers.base import Need
from control_plane.releases.placing import needs_of
from dentalpin_kit.canonical import digest_text

IMAGE = "registry.example/dentalpin/runtime@sha256:" + "a" * 64


async def test_an_image_is_a_release_by_what_it_printed(client):
    newest = (await client.get("/v1/releases/newest")).json()
    said = json.dumps({"schema": 1, "core_version": "1.0.0", "modules": {}})
    registered = await client.post("/v1/releases", json={"image": IMAGE, "description": said + "\n"})
    assert registered.status_code == 201, registered.text
    assert (registered.json()["id"], registered.json()["environment"]) == (digest_text(said), f"oci://{IMAGE}")
    assert (await client.post("/v1/releases", json={"image": IMAGE, "description": said})).status_code == 200
    assert (await client.get("/v1/releases/newest")).json()["id"] != newest["id"]
    for wrong in ({"image": IMAGE}, {"image": "runtime:latest", "description": said}, {"image": IMAGE, "description": "[]"}, {}):
        assert (await client.post("/v1/releases", json=wrong)).status_code in (422, 502), wrong


def test_what_modules_reach_is_told_once_and_for_those_a_clinic_has():
    sends = {"to": "internet", "port": 443, "why": "text messages"}
    description = {"modules": {"sms": {"needs": [sends]}, "tax": {"needs": [sends, {"to": "192.0.2.0/24", "port": 8443}]}, "agenda": {}}}
    assert needs_of(description, ["agenda", "sms"]) == (Need("internet", 443),)
    assert needs_of(description, ["sms", "tax", "unknown"]) == (Need("192.0.2.0/24", 8443), Need("internet", 443))
    assert needs_of({}, ["agenda"]) == ()
