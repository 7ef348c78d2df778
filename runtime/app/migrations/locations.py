"""Where revisions lie, for the `alembic` command of authors: the core's folder and that of every discovered module.

Nothing here is used by the processor, which has a book of its own (`app.core.plugins.revisions`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from app.core.plugins.errors import ManifestInvalid
from app.core.plugins.loader import discover_modules
from app.core.plugins.revisions import CORE, translate_dependency

HERE: Final = Path(__file__).parent
CORE_VERSIONS: Final = HERE / "versions"
_LOCATIONS: Final = ("app.migrations:", "app:migrations")


def version_folders() -> dict[str, Path]:
    """{owner: folder}, the core first. A module that cannot be found is left out; `dentalpin modules doctor` says why."""
    folders = {CORE: CORE_VERSIONS}
    for found in discover_modules():
        try:
            if found.versions_path is not None:
                folders[found.name] = found.versions_path
        except ManifestInvalid:
            continue
    return folders


def owner_of(script: Script, folders: dict[str, Path]) -> str:
    """Whose revision it is, by the folder of its file."""
    folder = Path(script.path).resolve().parent
    return next((owner for owner, place in folders.items() if place.resolve() == folder), folder.name)


def teach_alembic() -> None:
    """Extend Alembic's two lookups for configurations that name this environment; others are left as they are. Once per process."""
    if getattr(Config.get_version_locations_list, "of_dentalpin", False):
        return
    given_locations = Config.get_version_locations_list
    load_revisions = ScriptDirectory._load_revisions

    def version_locations(self: Config) -> list[str] | None:
        given = given_locations(self)
        location = self.get_alembic_option("script_location") or ""
        if given or not location.startswith(_LOCATIONS):
            return given
        folders = [str(folder) for folder in version_folders().values()]
        # The folder of a module that is just being made, or whose distribution was not installed again since.
        asked = getattr(getattr(self, "cmd_opts", None), "version_path", None)
        return folders if asked is None or str(Path(asked).absolute()) in folders else [*folders, str(Path(asked).absolute())]

    def revisions(self: ScriptDirectory) -> Iterator[Script]:
        scripts = list(load_revisions(self))
        if Path(self.dir).resolve() == HERE.resolve():
            _translate(scripts)
        yield from scripts

    version_locations.of_dentalpin = True  # type: ignore[attr-defined]  # a mark on our own function
    Config.get_version_locations_list = version_locations  # type: ignore[method-assign]  # there is no hook, see above
    ScriptDirectory._load_revisions = revisions  # type: ignore[method-assign]  # there is no hook, see above


def _translate(scripts: list[Script]) -> None:
    """`depends_on = ("catalog@head",)`, which Alembic itself answers with KeyError."""
    bases = {label: script.revision for script in scripts for label in script._orig_branch_labels}
    for script in scripts:
        given: Any = script.dependencies
        names = (given,) if isinstance(given, str) else tuple(given or ())
        script.dependencies = tuple(translate_dependency(name, bases) for name in names) or None
