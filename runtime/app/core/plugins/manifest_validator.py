"""Checks of manifests: a list of issues with codes, errors and warnings apart (contract: only name and version are fatal at load).

`read_manifest` looks at one manifest by itself, `validate_module` at a module with its package, `validate_set` at all modules together.
CI treats every issue of an official module as an error.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from .loader import DiscoveredModule, Discovery
from .manifest import LOCAL_PERMISSION_PATTERN, Manifest, granted, version_key
from .topology import cycles

ROLES: Final = frozenset({"admin", "dentist", "hygienist", "assistant", "receptionist"})
RECOMMENDED: Final = ("summary", "author", "license", "category", "min_core_version", "depends", "installable", "auto_install", "removable")
_FATAL_FIELDS: Final = frozenset({"name", "version"})


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong, with where it is and what to do."""

    code: str
    message: str
    module: str = ""
    severity: Severity = Severity.ERROR
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """What isolation is judged by: one migration file, by whom it is owned and what it builds on."""

    revision: str
    owner: str
    down: tuple[str, ...]
    depends: tuple[str, ...]
    labels: tuple[str, ...]


def read_manifest(raw: object) -> tuple[Manifest | None, list[Issue]]:
    """The manifest with whatever is usable, and what is not; None if name or version are unusable."""
    if not isinstance(raw, Mapping):
        return None, [Issue("MANIFEST_INVALID", "`manifest` must be a dict on the module class", fatal=True)]
    name = str(raw.get("name", ""))
    issues = [
        Issue(
            "FIELD_UNKNOWN",
            f"{name}: the manifest field {field!r} is unknown and ignored; see the list in guide §1",
            name,
            Severity.WARNING,
        )
        for field in raw
        if field not in Manifest.model_fields
    ]
    issues += [
        Issue("FIELD_MISSING", f"{name}: the manifest does not say {field!r}", name, Severity.WARNING)
        for field in RECOMMENDED
        if field not in raw
    ]
    usable = dict(raw)
    while True:
        try:
            return Manifest.model_validate(usable), issues
        except ValidationError as error:
            problems = _by_field(error)
            issues += [_field_issue(name, field, reason, raw.get(field)) for field, reason in problems.items()]
            if _FATAL_FIELDS & problems.keys() or not problems.keys() <= usable.keys():
                return None, issues
            for field in problems:
                del usable[field]


def _by_field(error: ValidationError) -> dict[str, str]:
    return {str(part["loc"][0]): f"{'.'.join(str(step) for step in part['loc'])}: {part['msg']}" for part in error.errors()}


def _field_issue(name: str, field: str, reason: str, value: object) -> Issue:
    match field:
        case "name":
            return Issue("NAME_INVALID", f"name {value!r} must be snake_case, letters first", name, fatal=True)
        case "version":
            return Issue("VERSION_INVALID", f"{name}: version {value!r} is no X.Y.Z version", name, fatal=True)
        case _:
            return Issue("FIELD_INVALID", f"{name}: {reason}; the default is used instead", name)


def validate_module(module: DiscoveredModule, *, core_version: str, roles: Iterable[str] = ROLES) -> list[Issue]:
    """Everything about one module that can be seen without the others. Imports it, or raises ManifestInvalid."""
    manifest, raw = module.manifest, module.module.manifest
    _, issues = read_manifest(raw)
    permissions = tuple(module.module.get_permissions())
    issues += _permission_issues(manifest, permissions, frozenset(roles))
    issues += _package_issues(manifest, module.package_path)
    if raw.get("category") == "official" and not module.of_core:
        issues.append(
            Issue("NOT_OFFICIAL", f"{manifest.name}: only dentalpin-core ships official modules; say `category: community`", manifest.name)
        )
    if manifest.min_core_version and version_key(manifest.min_core_version) > version_key(core_version):
        issues.append(
            Issue(
                "CORE_TOO_OLD",
                f"{manifest.name} needs core {manifest.min_core_version}, this is {core_version}: upgrade the core",
                manifest.name,
            )
        )
    if module.module.get_models() and module.versions_path is None:
        issues.append(Issue("TABLES_WITHOUT_BRANCH", f"{manifest.name} has models but no migrations/versions folder", manifest.name))
    return issues


def _permission_issues(manifest: Manifest, permissions: Sequence[str], roles: frozenset[str]) -> Iterable[Issue]:
    name = manifest.name
    for permission in permissions:
        if not re.match(LOCAL_PERMISSION_PATTERN, permission):
            yield Issue("PERMISSION_INVALID", f"{name}: permission {permission!r} must be `action` or `resource.action`", name)
        elif permission.startswith(f"{name}."):
            yield Issue("PERMISSION_NAMESPACED", f"{name}: leave {name}. out of {permission!r}; the registry puts it in front", name)
    for role, patterns in manifest.role_permissions.items():
        if role not in roles:
            yield Issue(
                "ROLE_UNKNOWN", f"{name}: role_permissions names the unknown role {role!r}; known are {', '.join(sorted(roles))}", name
            )
        for pattern in patterns:
            if not granted((pattern,), tuple(permissions)) and not (pattern == "*" and not permissions):
                yield Issue("PERMISSION_UNKNOWN", f"{name}: {role} is granted {pattern!r}, which get_permissions() does not declare", name)
    for entry in manifest.frontend.navigation:
        needed = entry.permission
        if needed is not None and not needed.startswith(f"{name}."):
            yield Issue(
                "NAV_PERMISSION_NOT_NAMESPACED", f"{name}: navigation {entry.to} needs {name}.{needed}, with the module's name", name
            )
        elif needed is not None and needed.removeprefix(f"{name}.") not in permissions:
            yield Issue("NAV_PERMISSION_UNKNOWN", f"{name}: navigation {entry.to} asks for {needed}, which nobody declares", name)


def _package_issues(manifest: Manifest, package: Path) -> Iterable[Issue]:
    for file in manifest.data_files:
        if not (package / file).is_file():
            yield Issue(
                "DATA_FILE_MISSING",
                f"{manifest.name}: the seed file {file} is not in the package; add it to the package data",
                manifest.name,
            )
    layer = manifest.frontend.layer_path
    if layer is not None and not (package / layer).is_dir():
        yield Issue("LAYER_MISSING", f"{manifest.name}: the frontend layer {layer}/ is not in the package", manifest.name, Severity.WARNING)


def validate_set(manifests: Mapping[str, Manifest], revisions: Iterable[RevisionFacts] = ()) -> list[Issue]:
    """What only shows between modules: unknown dependencies, cycles, branches that others build on."""
    issues = [
        Issue("DEPENDENCY_UNKNOWN", f"{name} depends on {need}, which is no known module; correct `depends` or install its package", name)
        for name, manifest in sorted(manifests.items())
        for need in manifest.depends
        if need not in manifests
    ]
    for circle in cycles({name: manifest.depends for name, manifest in manifests.items()}):
        text = " → ".join([*circle, circle[0]])
        issues += [Issue("DEPENDENCY_CYCLE", f"{name} is part of a circle: {text}; take one `depends` out", name) for name in circle]
    facts = list(revisions)
    for name, manifest in sorted(manifests.items()):
        issues += _branch_issues(manifest, [fact for fact in facts if fact.owner == name], facts)
    return issues


def _branch_issues(manifest: Manifest, own: Sequence[RevisionFacts], everyone: Sequence[RevisionFacts]) -> Iterable[Issue]:
    name = manifest.name
    owners = {fact.revision: fact.owner for fact in everyone}
    for fact in own:
        for down in fact.down:
            if owners.get(down) not in {name, "core"}:
                yield Issue(
                    "BRANCH_NOT_OWN",
                    f"{name}: revision {fact.revision} follows {down} of {owners.get(down, 'nobody')}; start the branch at 0001",
                    name,
                )
    if own and not any(name in fact.labels for fact in own):
        yield Issue("BRANCH_LABEL_MISSING", f"{name}: its first revision must say branch_labels = ({name!r},)", name)
    if not manifest.removable:
        return
    mine = {fact.revision for fact in own}
    for fact in everyone:
        if fact.owner != name and mine & set(fact.down):
            yield Issue(
                "REMOVABLE_BRANCH_NOT_ISOLATED",
                f"{name} is removable, but revision {fact.revision} of {fact.owner} follows one of its revisions; "
                f"correct that down_revision (0001, and depends_on if it needs {name}), or drop `removable`",
                name,
            )


def validate_discovery(
    discovery: Discovery, revisions: Iterable[RevisionFacts] = (), *, core_version: str, roles: Iterable[str] = ROLES
) -> list[Issue]:
    """Every issue of everything that is installed here, modules that cannot be loaded included."""
    from .errors import ManifestInvalid

    issues = [Issue("NAME_CLAIMED_TWICE", str(error), name) for name, error in sorted(discovery.errors.items())]
    manifests: dict[str, Manifest] = {}
    for module in discovery:
        try:
            manifests[module.name] = module.manifest
            issues += validate_module(module, core_version=core_version, roles=roles)
        except ManifestInvalid as error:
            issues.append(Issue("MANIFEST_INVALID", error.message, module.name, fatal=True))
    return issues + validate_set(manifests, revisions)
