"""When people are at work in the clinics, as the modules know it: the platform restarts nobody with a patient in the chair."""

from app.core.occupancy.periods import Period

__all__ = ["Period"]
