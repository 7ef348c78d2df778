"""Who may call what: every route says so, and the answer is the manifest's (guide §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.testing.clinics import ROLES, TwoClinics

from .subject import Route, Subject

if TYPE_CHECKING:
    import httpx2


async def _ask(client: httpx2.AsyncClient, subject: Subject, route: Route, **headers: str) -> Any:
    """The route with an id nobody has and, where it takes one, an empty body."""
    return await client.request(route.method, route.url(subject.name, uuid4()), headers=headers, json=route.body)


def test_every_route_asks_for_a_clinic_and_a_declared_permission(subject: Subject, mounted: None) -> None:
    from app.core.auth.permissions import CORE_PERMISSIONS
    from app.core.plugins.registry import module_registry

    declared = module_registry.permissions() | set(CORE_PERMISSIONS)
    for route in subject.guarded:
        assert route.has_clinic, f"{route.name} takes no clinic: add Depends(get_clinic_context), or list it in public_routes"
        assert route.permissions, f"{route.name} asks for no permission: add require_permission(…), or list it in public_routes"
        assert route.permissions <= declared, f"{route.name} asks for what nobody declares: {sorted(route.permissions - declared)}"


async def test_nobody_and_strangers_are_refused_everywhere(subject: Subject, client: httpx2.AsyncClient, two_clinics: TwoClinics) -> None:
    for route in subject.guarded:
        nobody = await _ask(client, subject, route)
        assert nobody.status_code == 401, f"{route.name} answers {nobody.status_code} to nobody"
        stranger = await _ask(client, subject, route, **two_clinics.a.headers, **{"X-Clinic-Id": str(two_clinics.b.id)})
        assert stranger.status_code == 403, f"{route.name} answers {stranger.status_code} to a member of another clinic"


async def test_each_role_may_do_what_the_manifest_grants_and_no_more(
    subject: Subject, client: httpx2.AsyncClient, two_clinics: TwoClinics
) -> None:
    from app.core.auth.permissions import RoleGrants, permissions_for
    from app.core.plugins.registry import module_registry

    wrong = []
    for route in subject.guarded:
        for role in ROLES:
            answer = await _ask(client, subject, route, **two_clinics.a.headers_of(role))
            allowed = all(permission in permissions_for(RoleGrants.standard(role), module_registry) for permission in route.permissions)
            refused = answer.status_code == 403 and "permission_denied" in answer.text
            if refused is allowed or answer.status_code >= 500:
                wrong.append(f"{route.name} as {role}: {answer.status_code}, {'granted' if allowed else 'not granted'}")

    assert wrong == []
