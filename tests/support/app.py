"""The runtime's application over a core database, in this process, with a small module whose routes are written as the guide does."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, ConfigDict, SecretStr
from sqlalchemy import String, Uuid, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app import database as boundary
from app.config import Settings
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.auth.passwords import Passwords
from app.core.isolation import apply_policies
from app.core.plugins.base import BaseModule
from app.core.plugins.manifest import Manifest
from app.core.plugins.registry import ModuleRegistry, MountedModule
from app.core.schemas import ApiResponse, PaginatedApiResponse
from app.database import Base, Database, get_db
from app.main import create_app
from tests.support.core import add_clinic, as_owner
from tests.support.postgres import TenantDatabase, run_sql

SECRET = "a secret only for tests, long enough"
PASSWORD = "correct horse battery staple"
CHEAP = Passwords(memory_kib=8, rounds=1, lanes=1)
NOTE_TABLE = """
    CREATE TABLE shelf_notes (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), clinic_id uuid NOT NULL REFERENCES clinics, body varchar(40) NOT NULL,
        CONSTRAINT uq_shelf_notes UNIQUE (clinic_id, body) DEFERRABLE INITIALLY DEFERRED
    )
"""

routes = APIRouter()
Clinic = Annotated[ClinicContext, Depends(get_clinic_context)]
Db = Annotated[AsyncSession, Depends(get_db)]
MayRead = Annotated[None, Depends(require_permission("shelf.notes.read"))]
MayWrite = Annotated[None, Depends(require_permission("shelf.notes.write"))]


class Note(Base):
    __tablename__ = "shelf_notes"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    clinic_id: Mapped[UUID] = mapped_column(Uuid)
    body: Mapped[str] = mapped_column(String(40))


class NoteIn(BaseModel):
    body: str
    clinic_id: UUID | None = None


class NoteOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    body: str


@routes.get("/notes", response_model=PaginatedApiResponse[NoteOut])
async def list_notes(ctx: Clinic, _: MayRead, db: Db) -> PaginatedApiResponse[NoteOut]:
    # No filter by clinic: the policies must hold by themselves.
    notes = (await db.scalars(select(Note).order_by(Note.body))).all()
    return PaginatedApiResponse(data=[NoteOut.model_validate(note) for note in notes], total=len(notes), page=1, page_size=20)


@routes.post("/notes", response_model=ApiResponse[NoteOut], status_code=201)
async def add_note(given: NoteIn, ctx: Clinic, _: MayWrite, db: Db) -> ApiResponse[NoteOut]:
    note = Note(clinic_id=given.clinic_id or ctx.clinic_id, body=given.body)
    db.add(note)
    await db.flush()
    return ApiResponse(data=NoteOut.model_validate(note))


class ShelfModule(BaseModule):
    manifest: ClassVar = {
        "name": "shelf",
        "version": "0.1.0",
        "summary": "Notes on a shelf.",
        "category": "community",
        "role_permissions": {"admin": ["*"], "dentist": ["notes.*"], "assistant": ["notes.read"]},
        "frontend": {"navigation": [{"label": "nav.notes", "to": "/shelf", "permission": "shelf.notes.read"}]},
    }

    def get_permissions(self) -> list[str]:
        return ["notes.read", "notes.write", "labels.read"]

    def get_router(self) -> APIRouter:
        return routes


def mounted(*modules: BaseModule) -> ModuleRegistry:
    return ModuleRegistry(MountedModule(module, Manifest.model_validate(module.manifest)) for module in modules)


@dataclass(frozen=True)
class ClinicApp:
    """An application and what tests do with it."""

    app: FastAPI
    schema: TenantDatabase
    database: Database

    def client(self, **headers: str) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=True, client=("192.0.2.7", 40000))
        return httpx2.AsyncClient(transport=transport, base_url="http://clinic.test", headers=headers)

    async def add_clinic(self, name: str = "Clínica Sol") -> UUID:
        return await add_clinic(self.schema, name)

    async def add_user(
        self, email: str = "ana@example.com", *, password: str | None = PASSWORD, owner: bool = False, **roles: UUID
    ) -> UUID:
        """A person with a role per keyword: `dentist=clinic`."""
        hashed = None if password is None else await CHEAP.hash(password)
        connection = await asyncpg.connect(self.schema.owner_url)
        user: UUID = await connection.fetchval(
            "INSERT INTO users (email, password_hash, is_owner) VALUES ($1, $2, $3) RETURNING id", email, hashed, owner
        )
        for role, clinic in roles.items():
            await connection.execute("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, $3)", user, clinic, role)
        await connection.close()
        return user

    async def add_member(self, user: UUID, clinic: UUID, role: str) -> None:
        await self.sql("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, $3)", user, clinic, role)

    async def sql(self, statement: str, *arguments: object) -> Any:
        """Run a statement as owner; its first value."""
        connection = await asyncpg.connect(self.schema.owner_url)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    async def signed_in(self, email: str = "ana@example.com", password: str = PASSWORD) -> httpx2.AsyncClient:
        """A client with an access token and no cookie."""
        async with self.client() as client:
            answer = await client.post("/api/v1/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return self.client(Authorization=f"Bearer {answer.json()['data']['access_token']}")


def build(schema: TenantDatabase, database: Database, modules: Sequence[BaseModule] = (), **options: Any) -> ClinicApp:
    settings = options.pop("settings", None) or Settings(secret_key=SecretStr(SECRET))
    options = {"passwords": CHEAP, "seed_clinic": no_seeds, **options}
    return ClinicApp(create_app(settings, mounted(*modules), database=database, **options), schema, database)


async def no_seeds(session: AsyncSession, clinic_id: UUID) -> None:
    """For applications whose modules have no seeds."""


@pytest.fixture
async def request_database(core_schema: TenantDatabase) -> AsyncIterator[Database]:
    made = Database(core_schema.app_url)
    boundary.install(made)
    yield made
    boundary.install(None)
    await made.dispose()


@pytest.fixture
async def clinic_app(core_schema: TenantDatabase, request_database: Database) -> ClinicApp:
    """The runtime with the module `shelf` mounted, no clinic and no people."""
    run_sql(core_schema.owner_url, NOTE_TABLE)
    as_owner(core_schema, lambda connection: apply_policies(connection, ["shelf_notes"]))
    return build(core_schema, request_database, [ShelfModule()])
