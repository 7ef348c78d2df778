"""What each route asks of who calls it, read from its dependencies. The authorisation matrix is made and tested from this.

Authorisation is a dependency (`require_permission`, `get_clinic_context`, `get_identity`), never something a handler looks up by itself.
A route that asks for none of them has to stand in the tables below, with the reason why anybody may call it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from .dependencies import get_claims, get_clinic_context, get_identity


class Access(StrEnum):
    OPEN = "anybody"
    BEARER = "a token it reads itself"
    PLATFORM = "the platform"
    SIGNED_IN = "signed in"
    MEMBER = "member of the clinic"
    PERMISSION = "permission"


_SUPPORT_ANSWERS: Final = ("accept", "decline", "revoke")
_ACCOUNT_FORMS: Final = ("password", "second-factor", "second-factor/confirm", "second-factor/remove", "sessions")

OPEN: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/api/v1/openapi.json"): "names routes, holds no data",
    ("POST", "/api/v1/auth/login"): "signing in; limited",
    ("POST", "/api/v1/auth/login/second-factor"): "the second step of signing in; limited",
    ("POST", "/api/v1/auth/refresh"): "the refresh token says who",
    ("POST", "/api/v1/auth/password/forgot"): "answers the same whoever asks; limited",
    ("POST", "/api/v1/auth/password/reset"): "the link's token says who; limited",
    ("POST", "/api/v1/support/session"): "the platform's signed pass says who, once; limited",
    ("GET", "/support"): "sends whoever is not signed in to the sign-in page",
    **{("POST", f"/support/{{access_id}}/{answer}"): "sends whoever is not signed in to the sign-in page" for answer in _SUPPORT_ANSWERS},
    ("GET", "/health/live"): "says that the process lives",
    ("GET", "/health/ready"): "says that the process serves",
    ("GET", "/metrics"): "only on the control channel of the process; not found elsewhere",
    ("GET", "/-/pages.css"): "a style sheet",
    ("GET", "/"): "sends whoever is not signed in to the sign-in page",
    ("GET", "/sign-in"): "a form",
    ("POST", "/sign-in"): "signing in; limited",
    ("POST", "/sign-in/code"): "the second step of signing in; limited",
    ("POST", "/sign-out"): "ends the session of whoever has one",
    **{("GET", f"/records{path}"): "sends whoever is not signed in to the sign-in page" for path in ("", "/{name}", "/{name}/csv")},
    ("GET", "/account"): "sends whoever is not signed in to the sign-in page",
    **{("POST", f"/account/{form}"): "sends whoever is not signed in to the sign-in page" for form in _ACCOUNT_FORMS},
    ("GET", "/welcome"): "the platform's signed link says who",
    ("POST", "/welcome"): "the platform's signed link says who",
    ("GET", "/forgot"): "a form",
    ("POST", "/forgot"): "answers the same whoever asks; limited",
    ("GET", "/password"): "the link's token says who; limited",
    ("POST", "/password"): "the link's token says who; limited",
}
"""Routes without a session, and why that is right."""

PLATFORM: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/api/v1/-/invitation"): "a token of purpose `invite`, once",
    ("GET", "/api/v1/modules/-/attestation"): "a token of purpose `attest`",
    ("GET", "/api/v1/-/idle-slots"): "a token of purpose `idle-slots`",
    **{(method, "/api/v1/-/support/{access_id}"): "a token of purpose `support`" for method in ("PUT", "GET", "DELETE")},
}
"""Routes of the platform, which proves itself by a token it signed for this tenant."""


TOKEN: Final[Mapping[tuple[str, str], str]] = {
    ("ANY", "/api/v1/mcp"): "a session's or a personal access token; each tool asks for its own permission",
}
"""Endpoints outside FastAPI, which read the caller's token themselves."""


class Undeclared(Exception):
    """A route asks for nothing and is in no table: the message names it and says what to do."""

    def __init__(self, routes: list[str]) -> None:
        super().__init__(
            f"{', '.join(routes)}: ask for a permission (require_permission), the clinic or the person, or say in "
            "app.core.auth.declarations why anybody may call it"
        )


@dataclass(frozen=True, slots=True)
class Declaration:
    """One route and what it asks for."""

    method: str
    path: str
    access: Access
    permissions: tuple[str, ...] = ()
    everywhere: bool = False
    """The permissions are needed in every clinic of the tenant, or the person is its owner."""
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def declarations(app: FastAPI) -> list[Declaration]:
    """Every route of the application, by path. Raises Undeclared."""
    found: list[Declaration] = []
    undeclared: list[str] = []
    for route in routes(app):
        for method in sorted((route.methods or {"ANY"}) - {"HEAD"}):
            declared = _declared(method, route)
            if declared is None:
                undeclared.append(f"{method} {route.path}")
            else:
                found.append(declared)
    if undeclared:
        raise Undeclared(sorted(undeclared))
    return sorted(found, key=lambda each: (each.path, each.method))


def routes(app: FastAPI) -> Iterator[Any]:
    """The routes of the application, those of included routers with their full paths; mounted applications as one each."""
    yield from iter_route_contexts(app.routes)


def _declared(method: str, route: Any) -> Declaration | None:
    path = route.path
    asked = list(_calls(getattr(route, "dependant", None)))
    permissions = tuple(dict.fromkeys(call.permission for call in asked if hasattr(call, "permission")))
    if permissions:
        return Declaration(method, path, Access.PERMISSION, permissions, everywhere=any(hasattr(call, "everywhere") for call in asked))
    if get_clinic_context in asked:
        return Declaration(method, path, Access.MEMBER)
    if (method, path) in OPEN:
        return Declaration(method, path, Access.OPEN, reason=OPEN[method, path])
    if (method, path) in TOKEN:
        return Declaration(method, path, Access.BEARER, reason=TOKEN[method, path])
    if (method, path) in PLATFORM:
        return Declaration(method, path, Access.PLATFORM, reason=PLATFORM[method, path])
    if get_identity in asked or get_claims in asked:
        return Declaration(method, path, Access.SIGNED_IN)
    return None


def _calls(dependant: Any) -> Iterator[Any]:
    for inner in getattr(dependant, "dependencies", ()):
        yield inner.call
        yield from _calls(inner)
