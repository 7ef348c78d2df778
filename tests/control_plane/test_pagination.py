"""Cursors are opaque, stable while rows come and go, and refused where they were made up."""

import base64
import json

import pytest


def cursor(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "made_up",
    ["x", "é", "====", cursor(), cursor("a"), cursor(1.5), cursor(True), cursor(2**70), cursor(1, 2), cursor(None), cursor({"a": 1})],
)
async def test_a_made_up_cursor_is_refused(client, made_up):
    answer = await client.get("/v1/mails", params={"after": made_up})
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")
