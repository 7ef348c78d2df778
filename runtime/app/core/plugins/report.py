"""What one run of the processor came to, module by module: for the exit status, the CLI, the attestation."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    """An operation was tried and rolled back."""
    SKIPPED = "skipped"
    """Not tried, because something it needs is not there or failed."""
    REFUSED = "refused"
    """A removal that turned out to be impossible: the module is installed again."""
    WAITING = "waiting"
    """A removal that begins once no process serves the module any more."""
    ORPHAN = "orphan"
    """Installed, but its package is not on this machine: not mounted."""
    OLDER = "older"
    """The package is older than what the database has: left as it is."""


NOT_AS_ASKED = frozenset({Outcome.FAILED, Outcome.SKIPPED, Outcome.REFUSED, Outcome.ORPHAN, Outcome.OLDER})


@dataclass(frozen=True, slots=True)
class ModuleOutcome:
    name: str
    outcome: Outcome
    state: str
    version: str | None = None
    operation: str | None = None
    reason: str | None = None
    attempt: int | None = None

    @property
    def as_asked(self) -> bool:
        return self.outcome not in NOT_AS_ASKED


@dataclass(frozen=True, slots=True)
class ProcessorReport:
    modules: tuple[ModuleOutcome, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether this run did all it had to: removals that wait for older processes, or were refused by an earlier run, do not count."""
        return all(module.as_asked or (module.outcome is Outcome.REFUSED and module.operation is None) for module in self.modules)

    @property
    def changed(self) -> bool:
        """Whether the set of modules to mount may have changed: a serving process has to be started anew."""
        return any(module.outcome in {Outcome.DONE, Outcome.REFUSED} for module in self.modules)

    @property
    def removals_pending(self) -> bool:
        return any(module.outcome is Outcome.WAITING for module in self.modules)

    @property
    def not_as_asked(self) -> tuple[ModuleOutcome, ...]:
        return tuple(module for module in self.modules if not module.as_asked)

    def merged(self, later: "ProcessorReport") -> "ProcessorReport":
        """Both runs as one; what the later one says of a module holds."""
        by_name = {module.name: module for module in (*self.modules, *later.modules)}
        return ProcessorReport(tuple(by_name.values()))

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "changed": self.changed, "modules": [asdict(module) for module in self.modules]}
