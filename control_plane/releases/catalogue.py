"""A release's catalogue as a value: the facts of its manifests that planning and the API need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from control_plane.errors import DomainError

SCHEMA = 1


class UnreadableRelease(DomainError):
    """What the environment printed is no release this platform can plan with."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "release_unreadable"


class CatalogueModule(BaseModel):
    """One module of a release, as its manifest says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    version: str
    title: str | None = None
    summary: str = ""
    author: str | None = None
    category: str = "community"
    min_core_version: str | None = None
    max_core_version: str | None = None
    depends: tuple[str, ...] = ()
    installable: bool = True
    removable: bool = False
    fulfils: tuple[str, ...] = ()
    distribution: str | None = None
    revisions: tuple[str, ...] | None = Field(None, exclude=True)
    """Every migration of it this release has; None where a runtime of before did not say."""


class _Description(BaseModel):
    model_config = ConfigDict(extra="ignore")

    schema_version: int = Field(alias="schema")
    core_version: str
    core_revisions: tuple[str, ...] | None = None
    modules: dict[str, dict[str, Any]]
    unusable: dict[str, str] = {}


@dataclass(frozen=True)
class Catalogue:
    """The modules of one release by name. Dependencies may be missing in it: planning says which, to whom it matters."""

    release_id: str
    core_version: str
    modules: Mapping[str, CatalogueModule]
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Modules whose package is there and cannot be loaded, and why."""
    core_revisions: tuple[str, ...] | None = None

    @property
    def revisions(self) -> frozenset[str] | None:
        """Every migration this release has; None where it does not say, and its versions have to do."""
        own = [module.revisions for module in self.modules.values()]
        if self.core_revisions is None or None in own:
            return None
        return frozenset(self.core_revisions).union(*(revisions for revisions in own if revisions is not None))

    @classmethod
    def parse(cls, release_id: str, document: Mapping[str, Any]) -> "Catalogue":
        """Raises UnreadableRelease, naming the module and the field."""
        try:
            description = _Description.model_validate(document)
            modules = {name: CatalogueModule.model_validate({**facts, "name": name}) for name, facts in description.modules.items()}
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UnreadableRelease(f"`dentalpin release describe` answered what cannot be used: {place}: {first['msg']}.") from error
        if description.schema_version != SCHEMA:
            raise UnreadableRelease(
                f"The environment describes its release in schema {description.schema_version}, this platform reads {SCHEMA}. "
                "Upgrade the older of the two."
            )
        return cls(release_id, description.core_version, dict(sorted(modules.items())), description.unusable, description.core_revisions)

    def why_absent(self, name: str) -> str:
        """Why `name` is none of the modules."""
        if name in self.unusable:
            return f"its package cannot be loaded ({self.unusable[name]})"
        return f"the release has no module {name}"

    def why_not_installable(self, module: CatalogueModule) -> str | None:
        """What keeps a module out of any tenant in this release; None when nothing does."""
        if not module.installable:
            return "its manifest says that it cannot be installed"
        if module.min_core_version and older(self.core_version, module.min_core_version):
            return f"it needs core {module.min_core_version} and this release has {self.core_version}"
        if module.max_core_version and older(module.max_core_version, self.core_version):
            return f"it works up to core {module.max_core_version} and this release has {self.core_version}"
        return None

    def usable(self) -> dict[str, CatalogueModule]:
        """Modules that can be installed together with all they depend on."""
        return {name: module for name, module in self.modules.items() if self._complete(name, frozenset())}

    def _complete(self, name: str, above: frozenset[str]) -> bool:
        module = self.modules.get(name)
        if module is None or name in above or self.why_not_installable(module) is not None:
            return False
        return all(self._complete(needed, above | {name}) for needed in module.depends)


def older(version: str, wanted: str) -> bool:
    """Whether `version` comes before `wanted`; what is no version counts as older."""
    try:
        return Version(version) < Version(wanted)
    except InvalidVersion:
        return True
