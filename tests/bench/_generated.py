"""Modules for benchmarks: four tables, ten routes and a few seeds each, in one folder of distributions as pip leaves them."""

from pathlib import Path

MODULES, TABLES, ROUTES, SEEDS = 24, 4, 10, 5
PACKAGE = '''"""Generated for a benchmark."""

from app.core.plugins import BaseModule

from .models import MODELS
from .router import router


class Module(BaseModule):
    manifest = {manifest!r}

    def get_models(self) -> list:
        return MODELS

    def get_router(self):
        return router

    def get_permissions(self) -> list[str]:
        return ["records.read", "records.write"]
'''
MODELS = """from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import DateTime, ForeignKey, Integer, String, Text, Uuid, func
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base

{classes}

MODELS = [{names}]
"""
MODEL = """
class {cls}(Base):
    __tablename__ = "{table}"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    clinic_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("clinics.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    note: Mapped[str | None] = mapped_column(Text)
    position: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
"""
ROUTER = """from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.schemas import ApiResponse
from app.database import get_db

from .models import MODELS

router = APIRouter()


class RecordIn(BaseModel):
    name: str
    note: str | None = None


class RecordOut(RecordIn):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
{routes}
"""
READ = """

@router.get("/things{n}", response_model=ApiResponse[list[RecordOut]])
async def list_{n}(
    ctx: Annotated[ClinicContext, Depends(get_clinic_context)],
    _: Annotated[None, Depends(require_permission("{name}.records.read"))],
    db: Annotated[AsyncSession, Depends(get_db)],
) -> ApiResponse[list[RecordOut]]:
    model = MODELS[{n} % len(MODELS)]
    rows = (await db.scalars(select(model).where(model.clinic_id == ctx.clinic_id))).all()
    return ApiResponse(data=[RecordOut.model_validate(row) for row in rows])
"""
WRITE = """

@router.post("/things{n}", response_model=ApiResponse[RecordOut], status_code=201)
async def add_{n}(
    given: RecordIn,
    ctx: Annotated[ClinicContext, Depends(get_clinic_context)],
    _: Annotated[None, Depends(require_permission("{name}.records.write"))],
    db: Annotated[AsyncSession, Depends(get_db)],
) -> ApiResponse[RecordOut]:
    row = MODELS[{n} % len(MODELS)](clinic_id=ctx.clinic_id, **given.model_dump())
    db.add(row)
    await db.flush()
    return ApiResponse(data=RecordOut.model_validate(row))
"""
REVISION = """import sqlalchemy as sa
from alembic import op

revision = "{name}_0001"
down_revision = "0001"
branch_labels = ("{name}",)
depends_on = None


def upgrade() -> None:
    for table in {tables!r}:
        op.create_table(
            table,
            sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
            sa.Column("clinic_id", sa.Uuid, sa.ForeignKey("clinics.id"), nullable=False),
            sa.Column("name", sa.String(120), nullable=False),
            sa.Column("note", sa.Text),
            sa.Column("position", sa.Integer, nullable=False, server_default="0"),
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        )
        op.create_index("ix_" + table + "_clinic_id", table, ["clinic_id"])


def downgrade() -> None:
    for table in reversed({tables!r}):
        op.drop_table(table)
"""


def name_of(number: int) -> str:
    return f"bench{number:02d}"


def needs_of(number: int) -> list[str]:
    """Two layers of foundations, then modules that need one of each: chains as deep as the official modules'."""
    return [name_of(number // 2)] if number > 1 else []


def tables_of(name: str) -> list[str]:
    return [f"{name}_table{index}" for index in range(TABLES)]


def write_modules(folder: Path, number: int = MODULES) -> Path:
    """`number` modules below `folder`, to be put on the Python path."""
    for index in range(1, number + 1):
        _write(folder, name_of(index), needs_of(index))
    return folder


def _write(folder: Path, name: str, needs: list[str]) -> None:
    manifest = {
        "name": name,
        "version": "1.0.0",
        "summary": "Generated for a benchmark",
        "author": "bench",
        "license": "MIT",
        "category": "community",
        "min_core_version": "1.0.0",
        "depends": needs,
        "installable": True,
        "auto_install": True,
        "removable": True,
        "data_files": ["data/seeds.yaml"],
        "role_permissions": {"admin": ["*"], "dentist": ["records.*"], "assistant": ["records.read"]},
    }
    tables = tables_of(name)
    classes = [f"{name.capitalize()}Table{index}" for index in range(TABLES)]
    models = "\n".join(MODEL.format(cls=cls, table=table) for cls, table in zip(classes, tables, strict=True))
    routes = "".join((READ if n % 2 == 0 else WRITE).format(n=n, name=name) for n in range(ROUTES))
    seeds = "".join(
        f'- xml_id: {name}.seed{n}\n  table: {tables[0]}\n  values: {{name: "Seed {n}", position: {n}}}\n' for n in range(SEEDS)
    )
    package = f"dp_{name}"
    for path, text in (
        (f"{package}/__init__.py", PACKAGE.format(manifest=manifest)),
        (f"{package}/models.py", MODELS.format(classes=models, names=", ".join(classes))),
        (f"{package}/router.py", ROUTER.format(routes=routes)),
        (f"{package}/data/seeds.yaml", seeds),
        (f"{package}/migrations/versions/{name}_0001.py", REVISION.format(name=name, tables=tables)),
        (f"dentalpin_{name}-1.0.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: dentalpin-{name}\nVersion: 1.0.0\n"),
        (f"dentalpin_{name}-1.0.0.dist-info/entry_points.txt", f"[dentalpin.modules]\n{name} = {package}:Module\n"),
    ):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
