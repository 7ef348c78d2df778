"""The window a clinic chose. Tenants without a row have the usual one."""

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Integer, Time
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.database import Base
from control_plane.maintenance.windows import Window


class MaintenanceWindow(Base):
    __tablename__ = "maintenance_window"
    __table_args__ = (
        CheckConstraint("cardinality(days) > 0 AND days <@ ARRAY[0,1,2,3,4,5,6]", name="days_of_the_week"),
        CheckConstraint("start_time <> end_time", name="lasts"),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenant.id"), primary_key=True)
    start_time: Mapped[time] = mapped_column(Time())
    end_time: Mapped[time] = mapped_column(Time())
    days: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    """0 is Monday."""
    changed_at: Mapped[datetime]

    @property
    def window(self) -> Window:
        return Window(self.start_time, self.end_time, frozenset(self.days))
