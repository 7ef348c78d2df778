"""The guide's conventions for routes (§3, §7): each has a clinic and a permission, or is listed as public in the manifest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from app.core.plugins.loader import DiscoveredModule

from .issues import Issue, issue
from .surroundings import Surroundings

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, without the module's prefix."""

    method: str
    path: str
    function: str
    permissions: tuple[str, ...]
    has_clinic: bool

    @property
    def key(self) -> str:
        return f"{self.method} {self.path or '/'}"

    @property
    def writes(self) -> bool:
        """Whether it changes something: a POST that asks only for permissions to read (a search, a dry run) does not."""
        return self.method not in _READS and any(permission.rpartition(".")[2] != "read" for permission in self.permissions)


def read_routes(found: DiscoveredModule) -> list[Route]:
    """The routes of a module's router, in their order; routes without a method (web sockets, mounts) count as `ANY`."""
    router = found.module.get_router()
    routes: list[Route] = []
    for route in getattr(router, "routes", ()):
        calls = list(_calls(getattr(route, "dependant", None)))
        permissions = tuple(dict.fromkeys(permission for call in calls if (permission := getattr(call, "permission", None))))
        clinic = any(getattr(call, "__name__", "") == "get_clinic_context" for call in calls)
        function = getattr(getattr(route, "endpoint", None), "__name__", "")
        routes += [
            Route(method, getattr(route, "path", ""), function, permissions, clinic)
            for method in sorted(getattr(route, "methods", None) or {"ANY"})
        ]
    return routes


def route_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    name = found.name
    public = set(found.manifest.public_routes)
    known = surroundings.permissions([name, *found.manifest.depends])
    routes = read_routes(found)
    for route in routes:
        where = f"{name}: {route.key} ({route.function})"
        for permission in sorted(set(route.permissions) - known):
            text = f"{where} asks for {permission}, which neither {name} nor its `depends` declare; add it to get_permissions()"
            yield issue("ROUTE_PERMISSION_UNKNOWN", text, name)
        if route.key in public:
            if route.permissions:
                text = f"{where} is listed in `public_routes`, and asks for {', '.join(route.permissions)}; take one of the two out"
                yield issue("PUBLIC_ROUTE_UNKNOWN", text, name)
            continue
        if not route.has_clinic:
            text = f"{where} does not take the clinic: add Depends(get_clinic_context), or list the route in `public_routes`"
            yield issue("ROUTE_WITHOUT_CLINIC", text, name)
        if not route.permissions:
            text = f"{where} lets everybody in: add Depends(require_permission(...)), or list the route in `public_routes`"
            yield issue("ROUTE_WITHOUT_PERMISSION", text, name)
    for key in sorted(public - {route.key for route in routes}):
        text = f"{name}: `public_routes` lists {key!r}, which is no route; write it as one of {', '.join(route.key for route in routes)}"
        yield issue("PUBLIC_ROUTE_UNKNOWN", text, name)


def _calls(dependant: Any) -> Iterator[Any]:
    for child in getattr(dependant, "dependencies", ()):
        yield child.call
        yield from _calls(child)
