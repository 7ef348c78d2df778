"""Servers that hold tenants' databases, by region. The one named in the environment has no row: it is where a tenant without a name is."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class ServerRow(Base):
    __tablename__ = "database_server"
    __table_args__ = (CheckConstraint("capacity > 0", name="holds_some"),)

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    region: Mapped[str] = mapped_column(String(40))
    proofs: Mapped[list[str]]
    """Certifications and contracts of the host that laws ask for (`HDS-2024`, `BAA`), sorted."""
    capacity: Mapped[int] = mapped_column(Integer)
    """How many tenants it takes."""
    accepting: Mapped[bool]
    """Whether it takes further tenants; those it has stay."""
    host: Mapped[str | None] = mapped_column(String(253))
    """Its address as runtimes reach it, where that differs from the administrator's."""
    sealed_url: Mapped[bytes] = mapped_column(LargeBinary)
    """The administrator's address, of a role with CREATEROLE and CREATEDB."""
    declared: Mapped[dict[str, Any] | None]
    """As it is declared to CloudNativePG (cloudnative.manifests.Declared); null where somebody else runs it."""
    created_at: Mapped[datetime]
