"""Two clinics of one tenant with their staff, and modules installed in them by the real processor (guide §9, "What to cover").

What they use of the application is imported when a test needs it: this file is loaded for every run of pytest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from .server import TenantDatabase, in_fresh_loop

if TYPE_CHECKING:
    import asyncpg

    from app.core.plugins.processor import Processor

SECRET: Final = "only-for-tests, only-for-tests, only-for-tests"
ROLES: Final = ("admin", "dentist", "hygienist", "assistant", "receptionist")
_NAMESPACE: Final = UUID("7b0b1f0e-5a3c-4e58-9d6c-0a2f6f1c7d11")


@dataclass(frozen=True, slots=True)
class ClinicUnderTest:
    """A clinic and one member of its staff per role, all signed in."""

    name: str
    id: UUID
    people: Mapping[str, UUID]
    """The id of the person in each role; nobody works in both clinics."""

    def headers_of(self, role: str) -> dict[str, str]:
        """A Bearer token for the person in this role."""
        from app.core.auth.tokens import AccessTokens, Claims

        claims = Claims(self.people[role], _session_of(self.people[role]), None)
        return {"Authorization": f"Bearer {AccessTokens(SECRET).issue(claims, 'access')}"}

    @property
    def headers(self) -> dict[str, str]:
        """Those of the clinic's administrator."""
        return self.headers_of("admin")


@dataclass(frozen=True, slots=True)
class TwoClinics:
    a: ClinicUnderTest
    b: ClinicUnderTest


def _clinic(name: str) -> ClinicUnderTest:
    people = {role: uuid5(_NAMESPACE, f"{name} {role}") for role in ROLES}
    return ClinicUnderTest(name, uuid5(_NAMESPACE, name), MappingProxyType(people))


def _session_of(user_id: UUID) -> UUID:
    return uuid5(_NAMESPACE, f"session of {user_id}")


CLINICS: Final = TwoClinics(_clinic("a"), _clinic("b"))


async def add_clinic_with_staff(connection: asyncpg.Connection, clinic: ClinicUnderTest) -> None:
    await connection.execute(
        "INSERT INTO clinics (id, name, country, timezone, currency, locale) VALUES ($1, $2, 'ES', 'Europe/Madrid', 'EUR', 'es-ES')",
        clinic.id,
        f"Clinic {clinic.name}",
    )
    for role, user_id in clinic.people.items():
        await connection.execute(
            "INSERT INTO users (id, email, full_name) VALUES ($1, $2, $3)",
            user_id,
            f"{role}@{clinic.name}.example",
            f"{role} {clinic.name}",
        )
        await connection.execute("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, $3)", user_id, clinic.id, role)
        await connection.execute(
            "INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at) VALUES ($1, $2, $3, now() + interval '1 day')",
            user_id,
            _session_of(user_id),
            sha256(user_id.bytes).hexdigest(),
        )


def with_dependencies(names: tuple[str, ...]) -> tuple[str, ...]:
    """These modules and everything they depend on, dependencies first."""
    from app.core.plugins.loader import discover_modules
    from app.core.plugins.topology import ordered

    discovery = discover_modules()
    depends: dict[str, tuple[str, ...]] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        found = discovery.get(name)
        assert found is not None, (
            f"no installed distribution offers the module {name}; install its own with `pip install -e .`, "
            f"and what it depends on. Found: {', '.join(sorted(discovery.modules)) or 'none'}"
        )
        if name not in depends:
            depends[name] = tuple(found.manifest.depends)
            waiting += depends[name]
    return tuple(ordered(depends))


async def ask_for(connection: asyncpg.Connection, names: tuple[str, ...]) -> None:
    """Schedule the installation of these modules and what they depend on, as `dentalpin modules install` does."""
    await connection.executemany(
        "INSERT INTO core_module (name, state) VALUES ($1, 'to_install') ON CONFLICT (name) DO UPDATE SET state = 'to_install'",
        [(name,) for name in with_dependencies(names)],
    )


def processor_for(tenant: TenantDatabase, storage: Path) -> Processor:
    """The real processor, with a registry of its own: what it mounts for hooks stays out of this process's."""
    from app.core.plugins.processor import Processor
    from app.core.plugins.registry import ModuleRegistry

    return Processor(tenant.owner_url, storage, registry=ModuleRegistry(), bindir=tenant.bindir)


async def process(tenant: TenantDatabase, storage: Path) -> None:
    """One run of the pending processor; everything must come out as asked."""
    report = await processor_for(tenant, storage).run(removals=True)
    assert report.ok, "\n".join(f"{module.name}: {module.outcome}, {module.reason}" for module in report.not_as_asked)


def fill_clinics(tenant: TenantDatabase, names: tuple[str, ...], storage: Path) -> None:
    """Core, two clinics, and the modules installed by the processor, with the seeds of both clinics."""
    import asyncpg

    async def fill() -> None:
        await processor_for(tenant, storage).migrate_core()
        connection = await asyncpg.connect(tenant.owner_url)
        try:
            for clinic in (CLINICS.a, CLINICS.b):
                await add_clinic_with_staff(connection, clinic)
            await ask_for(connection, names)
        finally:
            await connection.close()
        await process(tenant, storage)

    in_fresh_loop(fill)
