"""Why a choice of modules cannot be planned. Each names the culprit and the way out."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar

from control_plane.compliance.locks import Lock
from control_plane.compliance.requirements import Finding
from control_plane.errors import Conflict, Invalid


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)


class UnknownModule(Invalid):
    code: ClassVar[str] = "unknown_module"

    def __init__(self, unknown: Sequence[str], known: Sequence[str]) -> None:
        near = sorted({match for name in unknown for match in get_close_matches(name, known, n=1)})
        hint = f"Did you mean {listed(near)}?" if near else f"It has: {listed(known)}."
        super().__init__(
            f"The release has no module {listed(unknown)}. {hint} A distribution installed since is read by `POST /v1/releases/refresh`.",
            modules=list(unknown),
            known=list(known),
        )


class ModuleNotInstallable(Invalid):
    code: ClassVar[str] = "module_not_installable"

    def __init__(self, module: str, why: str) -> None:
        super().__init__(f"{module} cannot be installed: {why}. Leave it out, or use a release where it can.", module=module)


class DependencyConflict(Invalid):
    code: ClassVar[str] = "dependency_conflict"

    def __init__(self, path: Sequence[str], why: str) -> None:
        super().__init__(
            f"{path[0]} cannot be used: it needs {' → '.join(path[1:])}, and {why}. Leave {path[0]} out.", module=path[0], path=list(path)
        )


class DependencyCycle(Invalid):
    code: ClassVar[str] = "dependency_cycle"

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(
            f"These modules depend on each other in a circle: {' → '.join(cycle)}. Leave {cycle[0]} out and tell the authors.",
            modules=list(cycle),
        )


class ModuleForbidden(Invalid):
    code: ClassVar[str] = "module_forbidden"

    def __init__(self, module: str, finding: Finding, country: str) -> None:
        since = f" since {finding.since.isoformat()}" if finding.since else ""
        super().__init__(
            f"{module} may not be used in {country}{since}: {finding.why} ({finding.source}). "
            "Leave it out, or correct the clinic's tax facts.",
            module=module,
            obligation=finding.id,
            rule=finding.rule,
        )


class ModuleNotRemovable(Conflict):
    code: ClassVar[str] = "module_not_removable"

    def __init__(self, modules: Sequence[str]) -> None:
        super().__init__(
            f"{listed(modules)} cannot be removed once installed: its manifest says so. Choose it again; "
            "what it no longer does can be switched off inside the clinic.",
            modules=list(modules),
        )


class ModuleLocked(Conflict):
    """The law keeps a module that was once used, whatever the clinic prefers."""

    code: ClassVar[str] = "module_locked"

    def __init__(self, lock: Lock) -> None:
        super().__init__(
            f"{lock.module} cannot be removed before {lock.until.isoformat()}: {lock.why} "
            "Choose it again; its data can be exported at any time.",
            module=lock.module,
            until=lock.until.isoformat(),
            obligation=lock.obligation,
            sources=list(lock.sources),
        )


class LockedAndForbidden(Conflict):
    """One law says that a module must go, another that it must stay: a person decides."""

    code: ClassVar[str] = "locked_and_forbidden"

    def __init__(self, module: str, finding: Finding, lock: Lock) -> None:
        super().__init__(
            f"{module} may no longer be used ({finding.why} {finding.source}), and what it holds must be kept until "
            f"{lock.until.isoformat()} ({lock.why}) Export its records, then state the fact "
            f"`{lock.obligation}.records_kept_elsewhere`; or correct the clinic's facts.",
            module=module,
            rule=finding.rule,
            until=lock.until.isoformat(),
            sources=list(lock.sources),
        )
