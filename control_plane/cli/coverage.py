"""Which routes have a command written by hand, and which have none and why. All others get one made from their description."""

from collections.abc import Mapping
from typing import Final

BY_HAND: Final[Mapping[str, str]] = {
    "GET /v1/tenants": "tenants list",
    "POST /v1/tenants": "tenants create",
    "GET /v1/tenants/{slug}": "tenants get",
    "DELETE /v1/tenants/{slug}": "tenants delete",
    "POST /v1/tenants/{slug}/plan": "tenants plan",
    "PUT /v1/tenants/{slug}/modules": "tenants set-modules",
    "POST /v1/tenants/{slug}/invitation": "tenants invite",
    "GET /v1/operations/{operation_id}": "operations get",
    "GET /v1/operations/{operation_id}/events": "operations watch",
    "POST /v1/operations/{operation_id}/retry": "operations retry",
    "GET /v1/modules": "modules",
    "POST /v1/releases/refresh": "refresh",
    "GET /v1/compliance/{country}": "compliance",
    "GET /v1/keys": "keys list",
    "POST /v1/keys": "keys create",
    "DELETE /v1/keys/{prefix}": "keys revoke",
    "GET /v1/audit": "audit list",
    "GET /v1/audit/head": "audit head",
    "GET /v1/audit/export": "audit export",
}
"""Route → command. tests/control_plane/cli/test_coverage.py holds both ends to exist."""

BROWSERS: Final = "a door for browsers: it answers with a cookie, and a command line has a key"
WITHOUT: Final[Mapping[str, str]] = {
    "/v1/session": BROWSERS,
    "/v1/payments/webhooks": "a door for the payment providers, who sign what they send",
}
"""Beginnings of paths → why there is no command."""


def reason_without(path: str) -> str | None:
    return next((reason for start, reason in WITHOUT.items() if path == start or path.startswith(f"{start}/")), None)
