"""Checks of manifests: a list of issues with codes, errors and warnings apart (contract: only name and version are fatal at load).

`read_manifest` looks at one manifest by itself, `validate_module` at a module with its package, `validate_set` at all modules together.
Every issue of an official module is an error. What needs the source, the migrations or the history is in `checks`; the codes are in
`checks.issues`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from .checks.issues import Issue, Severity, issue, strict
from .loader import DiscoveredModule, Discovery
from .manifest import LOCAL_PERMISSION_PATTERN, RESERVED_NAMES, Manifest, core_refusal, granted, version_key
from .topology import cycles

__all__ = [
    "RECOMMENDED",
    "ROLES",
    "Issue",
    "RevisionFacts",
    "Severity",
    "read_manifest",
    "validate_discovery",
    "validate_module",
    "validate_set",
]

ROLES: Final = frozenset({"admin", "dentist", "hygienist", "assistant", "receptionist"})
RECOMMENDED: Final = ("summary", "author", "license", "category", "min_core_version", "depends", "installable", "auto_install", "removable")
_FATAL_FIELDS: Final = frozenset({"name", "version"})


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
        return None, [issue("MANIFEST_SCHEMA", "`manifest` must be a dict on the module class", fatal=True)]
    name = str(raw.get("name", ""))
    issues = [
        issue("FIELD_UNKNOWN", f"{name}: the manifest field {field!r} is unknown and ignored; see the list in guide §1", name)
        for field in raw
        if field not in Manifest.model_fields
    ]
    issues += [issue("FIELD_MISSING", f"{name}: the manifest does not say {field!r}", name) for field in RECOMMENDED if field not in raw]
    usable = dict(raw)
    while True:
        try:
            manifest = Manifest.model_validate(usable)
        except ValidationError as error:
            problems = _by_field(error)
            issues += [_field_issue(name, field, reason, raw.get(field)) for field, reason in problems.items()]
            if _FATAL_FIELDS & problems.keys() or not problems.keys() <= usable.keys():
                return None, issues
            for field in problems:
                del usable[field]
            continue
        if manifest.name in RESERVED_NAMES:
            text = f"{name}: the core uses that name for its own routes and permissions; choose another"
            return None, [*issues, issue("NAME_RESERVED", text, name, fatal=True)]
        return manifest, issues


def _by_field(error: ValidationError) -> dict[str, str]:
    return {str(part["loc"][0]): f"{'.'.join(str(step) for step in part['loc'])}: {part['msg']}" for part in error.errors()}


def _field_issue(name: str, field: str, reason: str, value: object) -> Issue:
    match field:
        case "name":
            return issue("NAME_INVALID", f"name {value!r} must be snake_case, letters first", name, fatal=True)
        case "version":
            return issue("VERSION_FORMAT", f"{name}: version {value!r} is no X.Y.Z version", name, fatal=True)
        case "min_core_version" | "max_core_version":
            return issue(f"{field.upper()}_FORMAT", f"{name}: {field} {value!r} is no X.Y.Z version and is ignored; correct it", name)
        case _:
            return issue("MANIFEST_SCHEMA", f"{name}: {reason}; the default is used instead", name)


def validate_module(module: DiscoveredModule, *, core_version: str, roles: Iterable[str] = ROLES) -> list[Issue]:
    """Everything about one module that can be seen without the others. Imports it, or raises ManifestInvalid."""
    manifest, raw = module.manifest, module.module.manifest
    _, issues = read_manifest(raw)
    permissions = tuple(module.module.get_permissions())
    issues += _permission_issues(manifest, permissions, frozenset(roles))
    issues += _package_issues(manifest, module.package_path)
    issues += _core_issues(manifest, core_version)
    if raw.get("category") == "official" and not module.of_core:
        issues.append(
            issue("NOT_OFFICIAL", f"{manifest.name}: only dentalpin-core ships official modules; say `category: community`", manifest.name)
        )
    if module.module.get_models() and module.versions_path is None:
        issues.append(issue("TABLES_WITHOUT_BRANCH", f"{manifest.name} has models but no migrations/versions folder", manifest.name))
    return strict(issues) if module.of_core else issues


def _core_issues(manifest: Manifest, core_version: str) -> Iterable[Issue]:
    name, lowest, highest = manifest.name, manifest.min_core_version, manifest.max_core_version
    if lowest and highest and version_key(highest) < version_key(lowest):
        text = f"{name}: max_core_version {highest} is below min_core_version {lowest}, so that it can run nowhere; correct one"
        yield issue("CORE_RANGE_EMPTY", text, name)
    elif (refusal := core_refusal(manifest, core_version)) is not None:
        too_old = lowest is not None and version_key(lowest) > version_key(core_version)
        yield issue("CORE_TOO_OLD" if too_old else "CORE_TOO_NEW", f"{name} cannot be installed here: {refusal}", name)


def _permission_issues(manifest: Manifest, permissions: Sequence[str], roles: frozenset[str]) -> Iterable[Issue]:
    name = manifest.name
    for permission in permissions:
        if not re.match(LOCAL_PERMISSION_PATTERN, permission):
            yield issue("PERMISSION_INVALID", f"{name}: permission {permission!r} must be `action` or `resource.action`", name)
        elif permission.startswith(f"{name}."):
            yield issue("PERMISSION_NAMESPACED", f"{name}: leave {name}. out of {permission!r}; the registry puts it in front", name)
    for role, patterns in manifest.role_permissions.items():
        if role not in roles:
            yield issue(
                "UNKNOWN_ROLE", f"{name}: role_permissions names the unknown role {role!r}; known are {', '.join(sorted(roles))}", name
            )
        for pattern in patterns:
            if not granted((pattern,), tuple(permissions)) and not (pattern == "*" and not permissions):
                yield issue("UNKNOWN_PERMISSION", f"{name}: {role} is granted {pattern!r}, which get_permissions() does not declare", name)
    for entry in manifest.frontend.navigation:
        needed = entry.permission
        if needed is not None and not needed.startswith(f"{name}."):
            yield issue("NAV_PERM_NOT_NAMESPACED", f"{name}: navigation {entry.to} needs {name}.{needed}, with the module's name", name)
        elif needed is not None and needed.removeprefix(f"{name}.") not in permissions:
            yield issue("NAV_PERMISSION_UNKNOWN", f"{name}: navigation {entry.to} asks for {needed}, which nobody declares", name)


def _package_issues(manifest: Manifest, package: Path) -> Iterable[Issue]:
    for file in manifest.data_files:
        if not (package / file).is_file():
            yield issue(
                "DATA_FILE_MISSING",
                f"{manifest.name}: the seed file {file} is not in the package; add it to the package data",
                manifest.name,
            )
    layer = manifest.frontend.layer_path
    if layer is not None and not (package / layer).is_dir():
        yield issue(
            "LAYER_MISSING",
            f"{manifest.name}: the frontend layer {layer}/ is not in the package; add it to the package data",
            manifest.name,
        )


def validate_set(manifests: Mapping[str, Manifest], revisions: Iterable[RevisionFacts] = ()) -> list[Issue]:
    """What only shows between modules: unknown dependencies, cycles, branches that others build on."""
    issues = [
        issue("UNKNOWN_DEPENDENCY", f"{name} depends on {need}, which is no known module; correct `depends` or install its package", name)
        for name, manifest in sorted(manifests.items())
        for need in manifest.depends
        if need not in manifests
    ]
    for circle in cycles({name: manifest.depends for name, manifest in manifests.items()}):
        text = " → ".join([*circle, circle[0]])
        issues += [issue("DEPENDENCY_CYCLE", f"{name} is part of a circle: {text}; take one `depends` out", name) for name in circle]
    facts = list(revisions)
    for name, manifest in sorted(manifests.items()):
        issues += _branch_issues(manifest, [fact for fact in facts if fact.owner == name], facts)
    return issues


def _branch_issues(manifest: Manifest, own: Sequence[RevisionFacts], everyone: Sequence[RevisionFacts]) -> Iterable[Issue]:
    name = manifest.name
    owners = {fact.revision: fact.owner for fact in everyone}
    owners |= {label: fact.owner for fact in everyone for label in fact.labels}
    for fact in own:
        for down in fact.down:
            if owners.get(down) not in {name, "core"}:
                text = f"{name}: revision {fact.revision} follows {down} of {owners.get(down, 'nobody')}; start the branch at 0001"
                yield issue("BRANCH_NOT_OWN", text, name)
        for needed in fact.depends:
            owner = owners.get(needed.partition("@")[0], owners.get(needed))
            if owner is not None and owner not in {name, "core", *manifest.depends}:
                text = f"{name}: revision {fact.revision} depends on {needed} of {owner}; add {owner} to `depends` of the manifest"
                yield issue("REVISION_DEPENDS_UNDECLARED", text, name)
        for label in fact.labels:
            if label != name:
                text = f"{name}: revision {fact.revision} carries the branch label {label!r}; the only label is the module's name"
                yield issue("BRANCH_LABEL_FOREIGN", text, name)
    if own and not any(name in fact.labels for fact in own):
        yield issue("BRANCH_LABEL_MISSING", f"{name}: its first revision must say branch_labels = ({name!r},)", name)
    mine = {fact.revision for fact in own}
    heads = sorted(mine - {down for fact in own for down in fact.down})
    if len(heads) > 1:
        text = f"{name}: its branch has the heads {', '.join(heads)}; make one of them follow the other"
        yield issue("BRANCH_SPLIT", text, name)
    if not manifest.removable:
        return
    for fact in everyone:
        if fact.owner != name and mine & set(fact.down):
            yield issue(
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

    issues = [issue("NAME_CLAIMED_TWICE", str(error), name, fatal=True) for name, error in sorted(discovery.errors.items())]
    manifests: dict[str, Manifest] = {}
    for module in discovery:
        try:
            manifests[module.name] = module.manifest
            issues += validate_module(module, core_version=core_version, roles=roles)
        except ManifestInvalid as error:
            issues.append(issue("MODULE_NOT_LOADABLE", error.message, module.name, fatal=True))
    return issues + validate_set(manifests, revisions)
