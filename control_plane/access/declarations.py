"""What each route of the platform asks of who calls it, read from the routes: for the docs and the matrix of tests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from control_plane.access.requires import OPERATION_IN_PATH, TENANT_IN_PATH, requirements
from control_plane.access.scopes import ROLES, Kind, Role

OPEN: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/v1/session"): "signing in; limited",
    ("POST", "/v1/session/password"): "the invitation says who; limited",
    ("GET", "/v1/session/oidc"): "sends to the identity provider; limited",
    ("GET", "/v1/session/oidc/return"): "what the identity provider sends back says who, once; limited",
    ("GET", "/v1/openapi.json"): "names routes, holds no data",
    ("GET", "/v1/docs"): "the same to click through",
    ("GET", "/docs/oauth2-redirect"): "a page of the same",
    ("GET", "/health/live"): "says that the process lives",
    ("GET", "/health/ready"): "says that the process serves",
    ("POST", "/v1/payments/webhooks/{provider}"): "the provider's signature says who; it only says where to look",
    ("GET", "/signup"): "a form",
    ("POST", "/signup"): "opening a clinic; limited",
    ("POST", "/signup/consequences"): "what a choice on the form leads to",
    ("GET", "/signup/{token}"): "the form's own token says whose progress it is",
    ("GET", "/signup/{token}/state"): "the form's own token says whose progress it is",
    ("GET", "/signup/{token}/card"): "the form's own token says whose sign-up it is",
    ("POST", "/signup/{token}/card"): "the form's own token says whose sign-up it is",
    ("POST", "/signup/{token}/trial"): "the form's own token says whose sign-up it is",
    ("POST", "/signup/{token}/invitation"): "the form's own token says whose clinic it is",
    ("GET", "/r/{storefront_slug}"): "a reseller's form",
    ("GET", "/r/{storefront_slug}/logo.png"): "a picture",
    ("GET", "/r/{storefront_slug}/brand.css"): "a style sheet",
    ("GET", "/account/sign-in"): "a form",
    ("POST", "/account/sign-in"): "signing in; limited",
    ("POST", "/account/link"): "mails a link to its owner alone, and says nothing of it; limited",
    ("GET", "/account/enter"): "a button; the link's token says who",
    ("POST", "/account/enter"): "the link's token says who, once; limited",
    ("GET", "/reseller/sign-in"): "a form",
    ("POST", "/reseller/sign-in"): "signing in; limited",
    ("GET", "/reseller/join"): "a form; the invitation says who",
    ("POST", "/reseller/join"): "the invitation says who; limited",
    ("ANY", "/signup/static"): "style sheets and pictures",
    ("GET", "/"): "sends to the form",
    ("GET", "/exports/{token}"): "the link's token says whose archive it is",
    ("POST", "/exports/{token}"): "the link's token says whose archive it is, once",
}
"""Routes without a caller, and why that is right."""


class Undeclared(Exception):
    """Routes that declare nothing: the message names them and says what to do."""

    def __init__(self, routes: list[str]) -> None:
        super().__init__(
            f"{', '.join(sorted(routes))}: declare the scope (control_plane.access.requires.Requires), or say in "
            f"control_plane.access.declarations.OPEN why anybody may call it"
        )


@dataclass(frozen=True, slots=True)
class Declaration:
    method: str
    path: str
    scopes: tuple[str, ...] = ()
    own: bool = False
    """Owners and resellers are confined by the route itself."""
    open: str = ""
    """Why anybody may call it."""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def confined(self) -> bool:
        """Whether owners and resellers reach it at all: it names a tenant that is theirs, or looks to it itself."""
        return self.own or any(f"{{{name}}}" in self.path for name in (TENANT_IN_PATH, OPERATION_IN_PATH))

    def lets(self, kind: Kind, role: Role) -> bool:
        """Whether this kind and role may call it, for a tenant that is theirs."""
        if self.open:
            return True
        return ROLES[kind, role].issuperset(self.scopes) and (kind is Kind.OPERATOR or self.confined)


def declarations(app: FastAPI, *, forgiving: bool = False) -> list[Declaration]:
    """Every route of the application that declares something, by path. Raises Undeclared unless told to be forgiving."""
    found: list[Declaration] = []
    undeclared: list[str] = []
    for route in routes(app):
        for method in sorted((getattr(route, "methods", None) or {"ANY"}) - {"HEAD"}):
            if (method, route.path) in OPEN:
                found.append(Declaration(method, route.path, open=OPEN[method, route.path]))
                continue
            declared = list(requirements(getattr(route, "dependant", None)))
            if not declared:
                undeclared.append(f"{method} {route.path}")
                continue
            scopes = tuple(dict.fromkeys(scope for one in declared if (scope := one.scope_for(method)) is not None))
            found.append(Declaration(method, route.path, scopes, any(one.own for one in declared)))
    if undeclared and not forgiving:
        raise Undeclared(undeclared)
    return sorted(found, key=lambda each: (each.path, each.method))


def routes(app: FastAPI) -> Iterator[Any]:
    """The routes of the application, those of included routers with their full paths."""
    yield from iter_route_contexts(app.routes)
