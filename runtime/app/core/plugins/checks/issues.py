"""The issue codes: one table, from which docs/reference/module-checks.md is generated. A code never changes its meaning.

Codes that the public application has as well carry the names it gave them, so that what an author's CI looks for is the same here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


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
    """Whether the module cannot be loaded at all."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for: `about` completes the sentence "a module in which …"."""

    topic: str
    severity: Severity
    about: str


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

CODES: Final[Mapping[str, Code]] = {
    # Manifest (guide §1)
    "MANIFEST_SCHEMA": Code("Manifest", _ERROR, "a manifest field has a value of another type; its default is used instead"),
    "NAME_INVALID": Code("Manifest", _ERROR, "the name is not snake_case; the module cannot be loaded"),
    "NAME_RESERVED": Code("Manifest", _ERROR, "the name is one of the core's own; the module cannot be loaded"),
    "VERSION_FORMAT": Code("Manifest", _ERROR, "the version is no semantic version `X.Y.Z`; the module cannot be loaded"),
    "MIN_CORE_VERSION_FORMAT": Code("Manifest", _ERROR, "`min_core_version` is no semantic version"),
    "MAX_CORE_VERSION_FORMAT": Code("Manifest", _ERROR, "`max_core_version` is no semantic version"),
    "CORE_RANGE_EMPTY": Code("Manifest", _ERROR, "`max_core_version` lies below `min_core_version`"),
    "CORE_TOO_OLD": Code("Manifest", _ERROR, "this core is older than `min_core_version`; it cannot be installed here"),
    "CORE_TOO_NEW": Code("Manifest", _ERROR, "this core is newer than `max_core_version`; it cannot be installed here"),
    "FIELD_MISSING": Code("Manifest", _WARNING, "the manifest leaves out a recommended field"),
    "FIELD_UNKNOWN": Code("Manifest", _WARNING, "the manifest has a field nobody reads"),
    "NOT_OFFICIAL": Code("Manifest", _ERROR, "`category` says official, and another distribution than dentalpin-core ships it"),
    "MODULE_NOT_LOADABLE": Code("Manifest", _ERROR, "importing the package fails, or the entry point names no module class"),
    "NAME_CLAIMED_TWICE": Code("Manifest", _ERROR, "two distributions offer a module of this name; neither is loaded"),
    # Permissions (guide §7)
    "PERMISSION_INVALID": Code("Permissions", _ERROR, "a declared permission is not `action` or `resource.action`"),
    "PERMISSION_NAMESPACED": Code("Permissions", _ERROR, "a declared permission carries the module's name, which the registry adds"),
    "UNKNOWN_ROLE": Code("Permissions", _ERROR, "`role_permissions` names a role that does not exist"),
    "UNKNOWN_PERMISSION": Code("Permissions", _ERROR, "`role_permissions` grants what get_permissions() does not declare"),
    "NAV_PERM_NOT_NAMESPACED": Code("Permissions", _ERROR, "a navigation entry asks for a permission without the module's name"),
    "NAV_PERMISSION_UNKNOWN": Code("Permissions", _ERROR, "a navigation entry asks for a permission nobody declares"),
    # Dependencies (guide §6)
    "UNKNOWN_DEPENDENCY": Code("Dependencies", _ERROR, "`depends` names a module that no installed distribution offers"),
    "DEPENDENCY_CYCLE": Code("Dependencies", _ERROR, "modules need each other in a circle; none of them is loaded"),
    "IMPORT_NOT_IN_DEPENDS": Code("Dependencies", _ERROR, "the code imports a module that is not in `depends` (ADR 0001)"),
    "IMPORT_NOT_OF_CONTRACT": Code(
        "Dependencies", _ERROR, "the code imports a part of the product that is no contract: only app.core and app.database are"
    ),
    "IMPORT_NOT_CHECKABLE": Code("Dependencies", _WARNING, "an import is put together at run time, so that nobody can say what it needs"),
    "SOURCE_UNREADABLE": Code("Dependencies", _ERROR, "a Python file of the package does not parse"),
    # Branch and migrations (guide §3)
    "TABLES_WITHOUT_BRANCH": Code("Migrations", _ERROR, "the module has models, and no migrations/versions folder"),
    "MIGRATIONS_UNUSABLE": Code("Migrations", _ERROR, "the revisions cannot be read, or build on something that is not there"),
    "BRANCH_LABEL_MISSING": Code("Migrations", _ERROR, "no revision carries the module's name as branch label"),
    "BRANCH_LABEL_FOREIGN": Code("Migrations", _ERROR, "a revision carries a branch label that is not the module's name"),
    "BRANCH_NOT_OWN": Code("Migrations", _ERROR, "a revision follows one of another module, instead of 0001 or its own"),
    "BRANCH_SPLIT": Code("Migrations", _ERROR, "the module's branch has several heads"),
    "REMOVABLE_BRANCH_NOT_ISOLATED": Code(
        "Migrations", _ERROR, "the module is removable, and a revision of another module follows one of its revisions"
    ),
    "REVISION_DEPENDS_UNDECLARED": Code("Migrations", _ERROR, "`depends_on` of a revision names a module that is not in `depends`"),
    "FK_NOT_IN_DEPENDS": Code("Migrations", _ERROR, "a foreign key points to a table of a module that is not in `depends` (ADR 0001)"),
    "FK_TARGET_UNKNOWN": Code("Migrations", _ERROR, "a foreign key points to a table that no known migration makes"),
    "FK_TO_CORE_INTERNAL": Code("Migrations", _ERROR, "a foreign key points to a table the core keeps for itself"),
    "FOREIGN_TABLE_TOUCHED": Code("Migrations", _ERROR, "a migration changes, fills or drops a table that is not the module's own"),
    "FOREIGN_TABLE_READ": Code("Migrations", _ERROR, "a migration reads a table of a module that is not in `depends`"),
    "MIGRATION_NOT_CHECKABLE": Code("Migrations", _WARNING, "a migration does not run without a database; only its text was checked"),
    "DOWNGRADE_INCOMPLETE": Code("Migrations", _WARNING, "going down again leaves tables of the module behind"),
    # Tables (guide §3)
    "TABLE_NOT_MIGRATED": Code("Tables", _ERROR, "a model's table is made by none of the module's migrations"),
    "TABLE_KEY_NOT_UUID": Code("Tables", _ERROR, "a table's primary key is not one column `id` of type UUID"),
    "TABLE_WITHOUT_CLINIC": Code("Tables", _WARNING, "a table has no `clinic_id`: its rows belong to every clinic"),
    "CLINIC_NOT_UUID": Code("Tables", _ERROR, "`clinic_id` is not of type UUID, so that row-level security cannot be applied"),
    "CLINIC_NOT_INDEXED": Code("Tables", _ERROR, "no index or unique constraint begins with `clinic_id`"),
    "TIME_WITHOUT_ZONE": Code("Tables", _ERROR, "a time is stored without its zone"),
    # Routes (guide §3, §7)
    "ROUTE_WITHOUT_CLINIC": Code("Routes", _ERROR, "a route does not take the clinic context, and is not listed in `public_routes`"),
    "ROUTE_WITHOUT_PERMISSION": Code("Routes", _ERROR, "a route asks for no permission, and is not listed in `public_routes`"),
    "ROUTE_PERMISSION_UNKNOWN": Code("Routes", _ERROR, "a route asks for a permission that neither the module nor its `depends` declare"),
    "PUBLIC_ROUTE_UNKNOWN": Code("Routes", _ERROR, "`public_routes` lists a route that does not exist, or one that asks for a permission"),
    # Events (guide §6)
    "EVENT_UNKNOWN": Code("Events", _ERROR, "the module listens to an event that nobody known publishes"),
    "EVENT_NOT_OWN": Code("Events", _ERROR, "the module publishes an event that is neither the core's nor begins with its own name"),
    "EVENT_DECLARATION": Code("Events", _ERROR, "`get_events()` declares what is no event of the module, or no model of a payload"),
    "HANDLER_SIGNATURE": Code("Events", _ERROR, "an event handler can be called in no known way; the module would not be served"),
    # Jobs
    "JOB_INVALID": Code("Jobs", _ERROR, "a scheduled job can be called in no known way, or its trigger cannot be read"),
    # Tools (guide §12)
    "TOOL_INVALID": Code("Tools", _ERROR, "a tool's declaration cannot be used"),
    "TOOL_NAMESPACED": Code("Tools", _ERROR, "a tool's name carries the module's name, which the registry adds"),
    "TOOL_TWICE": Code("Tools", _ERROR, "two tools have the same name"),
    "TOOL_WITHOUT_PERMISSION": Code("Tools", _ERROR, "a tool declares no permission"),
    "TOOL_PERMISSION_UNKNOWN": Code("Tools", _ERROR, "a tool asks for a permission that does not exist"),
    "TOOL_UNKNOWN": Code("Tools", _ERROR, "an agent's `allowed_tools` names a tool that no module offers"),
    "WRITE_ROUTE_WITHOUT_TOOL": Code("Tools", _WARNING, "a route that writes has no tool with the name of its function"),
    # Seeds (guide §3)
    "DATA_FILE_MISSING": Code("Seeds", _ERROR, "a seed file of `data_files` is not in the package"),
    "SEED_INVALID": Code("Seeds", _ERROR, "a seed file cannot be read"),
    "SEED_TABLE_FOREIGN": Code("Seeds", _ERROR, "a seed fills a table that belongs neither to the module nor to its `depends`"),
    "SEED_REFERENCE_UNKNOWN": Code("Seeds", _ERROR, "`$xmlref:` names a record of neither the module nor its `depends`"),
    # Frontend (guide §4)
    "LAYER_MISSING": Code("Frontend", _ERROR, "the folder of `frontend.layer_path` is not in the package"),
    "LAYER_CONFIG_MISSING": Code("Frontend", _WARNING, "the layer has no nuxt.config.ts, or it does not register what is there"),
    "LOCALE_INVALID": Code("Frontend", _ERROR, "a locale file of the layer is no JSON object"),
    "SLOT_ID_NOT_NAMESPACED": Code("Frontend", _ERROR, "a slot entry's `id` does not begin with the module's name"),
    "SLOT_TWICE": Code("Frontend", _ERROR, "two slot entries have the same `id`"),
    "SLOT_PERMISSION_UNKNOWN": Code("Frontend", _ERROR, "a slot entry asks for a permission that does not exist"),
    # Versions (guide §8)
    "CHANGELOG_MISSING": Code("Versions", _WARNING, "there is no CHANGELOG.md beside the module"),
    "CHANGELOG_HEADING": Code("Versions", _ERROR, "a heading of CHANGELOG.md is not `## X.Y.Z - YYYY-MM-DD`, or stands in the wrong order"),
    "CHANGELOG_ENTRY_MISSING": Code("Versions", _ERROR, "CHANGELOG.md does not begin with the manifest's version"),
    "DISTRIBUTION_VERSION_DIFFERS": Code("Versions", _ERROR, "the distribution and its only module have different versions"),
    "SURFACE_MISSING": Code("Versions", _WARNING, "surface.json, which records routes, permissions, events, slots and tools, is not there"),
    "SURFACE_STALE": Code("Versions", _ERROR, "surface.json is not what the code offers"),
    "VERSION_NOT_BUMPED": Code("Versions", _ERROR, "something changed since this version was released"),
    "VERSION_BUMP_TOO_SMALL": Code("Versions", _ERROR, "what changed asks for a larger step of the version"),
    "VERSION_WENT_BACK": Code("Versions", _ERROR, "the version is lower than one that was released"),
    "REVISION_CHANGED": Code("Versions", _ERROR, "the file of a released revision was edited"),
    "REVISION_REMOVED": Code("Versions", _ERROR, "a released revision is gone"),
    # Distribution (guide §10)
    "WHEEL_ENTRY_POINT_MISSING": Code("Distribution", _ERROR, "the wheel does not offer a module that its source declares"),
    "WHEEL_FILE_MISSING": Code("Distribution", _ERROR, "a file the module needs (code, revision, seed, layer) is not in the wheel"),
    "WHEEL_NOT_BUILT": Code("Distribution", _WARNING, "the wheel could not be built here, so that its contents were not checked"),
}


def issue(code: str, message: str, module: str = "", *, fatal: bool = False) -> Issue:
    """An issue with the severity the table gives its code."""
    return Issue(code, message, module, CODES[code].severity, fatal)


def strict(issues: Iterable[Issue]) -> list[Issue]:
    """The same with every warning an error: the measure for official modules."""
    return [replace(found, severity=Severity.ERROR) for found in issues]


def in_order(issues: Iterable[Issue]) -> list[Issue]:
    """Errors first, then by module and code; each once."""
    return sorted(set(issues), key=lambda found: (found.severity is not Severity.ERROR, found.module, found.code, found.message))


def table() -> str:
    """The codes for people, as Markdown."""
    parts: list[str] = []
    for topic in dict.fromkeys(code.topic for code in CODES.values()):
        parts.append(f"\n## {topic}\n\n| code | severity | a module in which |\n|---|---|---|\n")
        parts += [f"| `{name}` | {code.severity} | {code.about} |\n" for name, code in CODES.items() if code.topic == topic]
    return "".join(parts)
