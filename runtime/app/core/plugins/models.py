"""The books of the module system, as core tables (created by core revision 0001), and a module's row as a value.

Core tables rather than mapped classes: the processor works on plain connections, and the serving process reads a handful of rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from .manifest import Manifest
from .states import State

metadata: Final = sa.MetaData()
_NOW: Final = sa.text("now()")
_MOMENT: Final = sa.DateTime(timezone=True)

core_module: Final = sa.Table(
    "core_module",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("version", sa.String(40)),
    sa.Column("state", sa.String(20), nullable=False, server_default="uninstalled"),
    sa.Column("category", sa.String(20), nullable=False, server_default="community"),
    sa.Column("removable", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("auto_install", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("by_generation", sa.BigInteger),
    sa.Column("base_revision", sa.String(120)),
    sa.Column("applied_revision", sa.String(120)),
    sa.Column("manifest_snapshot", JSONB, nullable=False, server_default="{}"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("error_message", sa.Text),
    sa.Column("error_at", _MOMENT),
    sa.Column("installed_at", _MOMENT),
    sa.Column("last_state_change", _MOMENT, nullable=False, server_default=_NOW),
    sa.Column("chosen", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("disabled_at", _MOMENT),
    sa.Column("next_attempt_at", _MOMENT),
)
core_module_request: Final = sa.Table(
    "core_module_request",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("operation", sa.String(20), nullable=False),
    sa.Column("modules", JSONB, nullable=False, server_default="[]"),
    sa.Column("user_id", sa.Uuid),
    sa.Column("via", sa.String(20), nullable=False),
    sa.Column("reason", sa.String(500), nullable=False, server_default=""),
    sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
)
core_module_operation_log: Final = sa.Table(
    "core_module_operation_log",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("module_name", sa.String(80), nullable=False),
    sa.Column("operation", sa.String(20), nullable=False),
    sa.Column("step", sa.String(20), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="1"),
    sa.Column("generation", sa.BigInteger),
    sa.Column("process", sa.String(80), nullable=False, server_default=""),
    sa.Column("details", JSONB, nullable=False, server_default="{}"),
    sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
)
core_external_id: Final = sa.Table(
    "core_external_id",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("module_name", sa.String(80), nullable=False),
    sa.Column("xml_id", sa.String(200), nullable=False),
    sa.Column("table_name", sa.String(80), nullable=False),
    sa.Column("record_id", sa.Uuid, nullable=False),
    sa.Column("clinic_id", sa.Uuid),
    sa.Column("noupdate", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
)
core_table_owner: Final = sa.Table(
    "core_table_owner",
    metadata,
    sa.Column("table_name", sa.String(80), primary_key=True),
    sa.Column("module_name", sa.String(80), nullable=False),
    sa.Column("revision", sa.String(120), nullable=False),
    sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
)


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """One row of `core_module`."""

    name: str
    version: str | None
    state: State
    category: str
    removable: bool
    auto_install: bool
    by_generation: int | None
    base_revision: str | None
    applied_revision: str | None
    manifest_snapshot: Mapping[str, Any]
    attempts: int
    error_message: str | None
    error_at: datetime | None
    installed_at: datetime | None
    last_state_change: datetime
    chosen: bool
    """Somebody asked for this very module; otherwise it came because another needs it."""
    disabled_at: datetime | None
    """Since when it is switched off. Kept over an upgrade, so that the module is switched off after it too."""
    next_attempt_at: datetime | None
    """Not tried again before this, after an attempt that failed."""

    @property
    def switched_off(self) -> bool:
        return self.state is State.DISABLED or self.disabled_at is not None

    @classmethod
    def of(cls, row: sa.Row[Any]) -> "ModuleRecord":
        values = dict(row._mapping)
        return cls(**{**values, "state": State(values["state"])})

    @property
    def manifest(self) -> Manifest | None:
        """The manifest as it was when the books last saw the package; None before that."""
        return Manifest.model_validate(self.manifest_snapshot) if self.manifest_snapshot.get("name") else None

    @property
    def depends(self) -> tuple[str, ...]:
        return tuple(self.manifest_snapshot.get("depends", ()))
