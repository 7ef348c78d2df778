"""Clusters, and which of them carries a tenant."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base


class ClusterRow(Base):
    __tablename__ = "cluster"
    __table_args__ = (CheckConstraint("capacity > 0", name="holds_some"),)

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    region: Mapped[str] = mapped_column(String(40))
    capacity: Mapped[int] = mapped_column(Integer)
    """How many clinics it takes."""
    accepting: Mapped[bool]
    """Whether it takes further clinics; those it has stay."""
    facts: Mapped[dict[str, Any]]
    """What manifests are rendered with (deployers.kubernetes.facts.ClusterFacts)."""
    sealed_kubeconfig: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Null: the cluster the platform itself runs in."""
    created_at: Mapped[datetime]


class ClinicPlace(Base):
    """Written once: a clinic moves to another cluster as a restored copy, never by a changed row."""

    __tablename__ = "clinic_place"
    __table_args__ = (Index("ix_clinic_place_cluster", "cluster"),)

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.name"))
    placed_at: Mapped[datetime]
