"""Where a tenant's data may lie: the law's residency clauses against servers with a region and proofs. Pure.

compliance (clauses of every clinic of the tenant) → here → `tenant.region` and `tenant.database_server`, once, when a tenant is created.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from control_plane.compliance.schema import Residency
from control_plane.databases.errors import NoServerForResidency


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server as placement sees it. Without a name it is the environment's own; without a region nobody said where it stands."""

    name: str | None
    region: str | None
    proofs: frozenset[str]
    capacity: int
    tenants: int
    accepting: bool = True

    @property
    def has_room(self) -> bool:
        return self.accepting and self.tenants < self.capacity


def proofs_of(clause: Residency) -> frozenset[str]:
    """What the host must be able to show under a clause."""
    return frozenset(proof for proof in (clause.certification, clause.contract) if proof)


def allows(clauses: Iterable[Residency], region: str, proofs: frozenset[str]) -> bool:
    """Whether data may lie in a region with a host that has these proofs: every clause must agree."""
    return all(region in clause.regions and proofs_of(clause) <= proofs for clause in clauses)


def place(clauses: Sequence[Residency], candidates: Sequence[Candidate]) -> Candidate:
    """The server for a tenant under these clauses: of those that may hold its data and have room, the emptiest in the region named first.

    A server that stands nobody knows where (a single machine, whose operator answers for it) is taken only where no server has a region.
    Raises NoServerForResidency.
    """
    declared = [one for one in candidates if one.region is not None]
    fitting = [one for one in declared if one.region and one.has_room and allows(clauses, one.region, one.proofs)]
    if not declared:
        fitting = [one for one in candidates if one.has_room]
    if not fitting:
        regions, proofs = wanted(clauses)
        raise NoServerForResidency(regions, sorted(proofs), full=any(one.region in regions for one in declared))
    order = {region: position for position, region in enumerate(wanted(clauses)[0])}
    return min(fitting, key=lambda one: (order.get(one.region or "", len(order)), one.tenants / one.capacity, one.name or ""))


def wanted(clauses: Sequence[Residency]) -> tuple[list[str], frozenset[str]]:
    """The regions all clauses allow, in the first one's order, and the proofs all of them together ask for."""
    regions = [region for region in (clauses[0].regions if clauses else ()) if all(region in clause.regions for clause in clauses)]
    return regions, frozenset(proof for clause in clauses for proof in proofs_of(clause))
