"""Which cluster takes a tenant. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from control_plane.clusters.errors import NoCluster


@dataclass(frozen=True, slots=True)
class Candidate:
    name: str
    region: str
    capacity: int
    clinics: int
    accepting: bool = True

    @property
    def has_room(self) -> bool:
        return self.accepting and self.clinics < self.capacity


def place(region: str | None, candidates: Sequence[Candidate]) -> Candidate:
    """The emptiest with room where the clinic's data lies: a clinic runs beside its database, and both where its law wants them.

    A clinic of which nobody said where its data lies (`region` is None) runs in any. Raises NoCluster.
    """
    here = [one for one in candidates if region in (None, one.region)]
    fitting = [one for one in here if one.has_room]
    if not fitting:
        raise NoCluster(region, full=bool(here))
    return min(fitting, key=lambda one: (one.clinics / one.capacity, one.name))
