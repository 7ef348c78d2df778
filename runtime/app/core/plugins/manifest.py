"""The manifest schema (seeds, guide §1). What is wrong with a given manifest is said by `manifest_validator`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

NAME_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
VERSION_PATTERN = r"^\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$"
"""Semantic versioning; guide §8 prints the three numbers."""
LOCAL_PERMISSION_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$"

RESERVED_NAMES = frozenset(
    {"admin", "agents", "auth", "clinics", "core", "events", "health", "jobs", "mcp", "modules", "openapi", "roles", "support", "users"}
)
"""First words of the core's routes and permissions: a module of such a name could declare, and grant itself, rights of the core."""

ModuleName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=60)]
SemanticVersion = Annotated[str, StringConstraints(pattern=VERSION_PATTERN, max_length=40)]


class ManifestError(ValueError):
    """A manifest that says too little, or something nobody understands."""


class _Value(BaseModel):
    # A snapshot of a later release may carry more; what is unknown in a package's own manifest is the validator's business.
    model_config = ConfigDict(frozen=True, extra="ignore")


class NavigationEntry(_Value):
    """One entry of the sidebar. `label` is an i18n key; `permission` is the full, namespaced name."""

    label: str
    to: str
    icon: str | None = None
    permission: str | None = None
    order: int = 100


class Frontend(_Value):
    layer_path: str | None = None
    navigation: tuple[NavigationEntry, ...] = ()


class Need(_Value):
    """What a module reaches outside the clinic. Where the place can shut everything else, it does."""

    to: Annotated[str, StringConstraints(pattern=r"^(internet|[0-9a-fA-F.:]+/[0-9]{1,3})$")]
    """`internet`, or a network (`192.0.2.0/24`)."""
    port: int = Field(ge=1, le=65535)
    protocol: Literal["TCP", "UDP"] = "TCP"
    why: str = ""


class Manifest(_Value):
    """What a module says about itself. `manifest_validator.read_manifest` parses a package's own."""

    name: ModuleName
    version: SemanticVersion
    title: str | None = None
    summary: str = ""
    author: str = ""
    license: str = ""
    category: Literal["official", "community"] = "community"
    min_core_version: SemanticVersion | None = None
    max_core_version: SemanticVersion | None = None
    """The last core version the module works with, itself included."""
    depends: tuple[ModuleName, ...] = ()
    installable: bool = True
    auto_install: bool = False
    removable: bool = False
    data_files: tuple[str, ...] = ()
    role_permissions: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    frontend: Frontend = Field(default_factory=Frontend)
    fulfils: tuple[str, ...] = ()
    """Obligations of compliance packs this module meets, such as `es-verifactu`."""
    public_routes: tuple[str, ...] = ()
    """Routes that ask for no permission on purpose (a webhook), as `POST /webhook`, without the module's prefix."""
    needs: tuple[Need, ...] = ()
    """What it reaches outside the clinic: on a hosted platform nothing else lets it out."""

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Self:
        """The manifest a module's class carries. Raises ManifestError."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            raise ManifestError(f"The manifest of {given.get('name', 'a module')} cannot be used: {wrong}.") from error

    def to_snapshot(self) -> dict[str, Any]:
        """The same as `snapshot`."""
        return self.snapshot()

    def snapshot(self) -> dict[str, Any]:
        """As JSON: what `core_module.manifest_snapshot` and the release's catalogue hold."""
        return self.model_dump(mode="json")


VersionKey = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]
_RELEASED: tuple[tuple[int, int, str], ...] = ((2, 0, ""),)


def version_key(version: str | None) -> VersionKey:
    """Comparable form of a version by semantic versioning §11, `1.0.0-rc.1` before `1.0.0`; what Python packages write is understood too.

    None and what is no version are older than any.
    """
    text = (version or "").strip()
    if re.match(VERSION_PATTERN, text):
        numbers, _, label = text.partition("+")[0].partition("-")
        steps = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in label.split(".")) if label else _RELEASED
        return tuple(int(part) for part in numbers.split(".")), steps
    try:
        known = Version(text)
    except InvalidVersion:
        return (), ()
    release = (*known.release, 0, 0)[: max(3, len(known.release))]
    return release, ((1, 0, text),) if known.is_prerelease else _RELEASED


def core_refusal(manifest: "Manifest", core_version: str) -> str | None:
    """Why a module does not go with this core, for people; None if it does."""
    core = version_key(core_version)
    if manifest.min_core_version and version_key(manifest.min_core_version) > core:
        return f"it needs core {manifest.min_core_version}, this is {core_version}. Upgrade the core first."
    if manifest.max_core_version and version_key(manifest.max_core_version) < core:
        return (
            f"it works up to core {manifest.max_core_version}, this is {core_version}. "
            "Install a newer version of the module, or ask its author for one."
        )
    return None


def namespaced(module: str, permission: str) -> str:
    """The full name of a module's local permission (guide §7)."""
    return f"{module}.{permission}"


def granted(patterns: tuple[str, ...], declared: tuple[str, ...]) -> frozenset[str]:
    """The declared local permissions that a role's patterns (`*`, `movements.*`, `items.read`) select."""
    return frozenset(name for name in declared if any(_matches(pattern, name) for pattern in patterns))


def _matches(pattern: str, name: str) -> bool:
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return name.startswith(pattern[:-1])
    return pattern == name
