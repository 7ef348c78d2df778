"""Every check of one project, in one call: what `dentalpin modules check`, CI and the consistency test run."""

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app.core.plugins.errors import ManifestInvalid
from app.core.plugins.loader import DiscoveredModule
from app.core.plugins.manifest_validator import validate_module, validate_set

from .background import background_issues
from .events import event_issues
from .isolation import isolation_issues
from .issues import Issue, in_order, issue, strict
from .layer import layer_issues
from .projects import Project, beside
from .routes import route_issues
from .seed_data import seed_issues
from .surroundings import Surroundings
from .tables import table_issues
from .tools import tool_issues
from .versioning import version_issues
from .wheels import WheelNotBuilt, build_wheel, wheel_issues

Check = Callable[[DiscoveredModule, Surroundings], Iterable[Issue]]
CHECKS: Final[tuple[Check, ...]] = (
    isolation_issues,
    table_issues,
    route_issues,
    event_issues,
    background_issues,
    tool_issues,
    seed_issues,
    layer_issues,
)


def judge(project: Project, *, core_version: str, against: str | None = None, wheel: bool = True) -> list[Issue]:
    """Everything wrong with a project's modules, errors first; all of an official module's issues are errors.

    `against` is the commit its version is compared with, instead of the last release. `wheel` builds the distribution and opens it.
    """
    surroundings = Surroundings(beside(project), core_version)
    names = {found.name for found in project.modules}
    manifests = {name: found.manifest for name, found in surroundings.modules.items()}
    facts = [revision.facts for revision in surroundings.book.revisions.values()]
    issues = [found for found in validate_set(manifests, facts) if found.module in names]
    for found in project.modules:
        try:
            own = judge_module(found, surroundings)
            home = project.homes.get(found.name)
            if home is not None:
                own += version_issues(found, home, against=against, sole=project.sole)
        except ManifestInvalid as error:
            own = [issue("MODULE_NOT_LOADABLE", error.message, found.name, fatal=True)]
        issues += strict(own) if found.of_core else own
    # One wheel of all official modules is opened by the tests of the wheel.
    if wheel and project.source is not None and not any(found.of_core for found in project.modules):
        issues += _wheel_issues(project, project.source)
    return in_order(issues)


def judge_module(found: DiscoveredModule, surroundings: Surroundings) -> list[Issue]:
    """What is wrong with one module by its code and its package. Raises ManifestInvalid if it cannot be loaded."""
    issues = validate_module(found, core_version=surroundings.core_version)
    for check in CHECKS:
        issues += check(found, surroundings)
    return issues


def _wheel_issues(project: Project, source: Path) -> list[Issue]:
    with TemporaryDirectory(prefix="dentalpin-check-") as folder:
        try:
            return list(wheel_issues(project, build_wheel(source, Path(folder))))
        except WheelNotBuilt as error:
            text = f"the wheel could not be built: {error}. Install what its build needs, or check the finished wheel by its file"
            return [issue("WHEEL_NOT_BUILT", text, found.name) for found in project.modules]
