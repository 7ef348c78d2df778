"""What the module system can refuse or fail at, one type per case a caller can tell apart. Messages say what to do next."""

from collections.abc import Iterable, Sequence

from dentalpin_kit.problems import DomainError


class PluginError(DomainError):
    """Base of all. Beside status and code, `exit_code` is what the CLI leaves with."""

    status = 500
    code = "module_error"
    exit_code = 1


class ManifestInvalid(PluginError):
    """The package cannot be loaded: its name or version says nothing, or its class cannot be imported."""

    code = "manifest_invalid"
    status = 422

    def __init__(self, entry_point: str, distribution: str, reason: str) -> None:
        super().__init__(
            f"{entry_point!r} of the distribution {distribution} is no usable module: {reason}",
            module=entry_point,
            distribution=distribution,
        )


class NameClaimedTwice(PluginError):
    code = "module_name_claimed_twice"
    status = 409

    def __init__(self, name: str, distributions: Sequence[str]) -> None:
        super().__init__(
            f"The module name {name!r} is claimed by {' and '.join(distributions)}; neither is loaded. Keep one of them.",
            module=name,
            distributions=list(distributions),
        )


class UnknownModule(PluginError):
    status = 404
    code = "module_unknown"
    exit_code = 4

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = ", ".join(sorted(known)) or "none"
        super().__init__(
            f"There is no module {name!r}. Known here: {names}. A community module is added with `pip install` first.",
            module=name,
        )


class NotKnownYet(PluginError):
    status = 409
    code = "module_not_known_yet"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The package of {name} was added after the last start. Restart the runtime first, so that it learns of it.", module=name
        )


class RestartImpossible(PluginError):
    status = 409
    code = "restart_impossible"

    def __init__(self) -> None:
        super().__init__("Nothing supervises this process, so it cannot have itself restarted. Restart it where you started it.")


class NotInstallable(PluginError):
    status = 422
    code = "module_not_installable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be installed: {reason}", module=name)


class TopologyError(PluginError, ValueError):
    """Modules that cannot be put in an order."""

    status = 422
    code = "module_topology"


class DependencyMissing(TopologyError):
    status = 422
    code = "module_dependency_missing"

    def __init__(self, name: str, dependency: str) -> None:
        super().__init__(
            f"{name} needs the module {dependency}, which is not present here. Install its package with pip, then try again.",
            module=name,
            dependency=dependency,
        )


class DependencyCycle(TopologyError):
    status = 422
    code = "module_dependency_cycle"

    def __init__(self, names: Sequence[str]) -> None:
        circle = " → ".join([*names, names[0]])
        super().__init__(
            f"These modules need each other: {circle}. None of them can be installed until one `depends` is taken out.", modules=list(names)
        )


class RemovalRefused(PluginError):
    """The module cannot go, and trying again does not help by itself."""

    status = 409
    code = "module_removal_refused"


class NotRemovable(RemovalRefused):
    status = 409
    code = "module_not_removable"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not removable: its manifest does not say `removable: True`. It stays installed.", module=name)


class NeededByModules(RemovalRefused):
    status = 409
    code = "module_needed"

    def __init__(self, name: str, dependents: Sequence[str], advice: str = "Uninstall those first.") -> None:
        super().__init__(
            f"{name} is needed by {', '.join(dependents)}. {advice}",
            module=name,
            dependents=list(dependents),
        )


class RequiredByLaw(RemovalRefused):
    status = 409
    code = "module_required_by_law"

    def __init__(self, name: str, obligations: Sequence[str]) -> None:
        super().__init__(
            f"{name} meets what the law asks of this clinic ({', '.join(obligations)}) and no other installed module does. "
            "It can go once another module meets it or the clinic's tax facts change.",
            module=name,
            obligations=list(obligations),
        )


class StillReferenced(RemovalRefused):
    status = 409
    code = "module_rows_referenced"

    def __init__(self, name: str, references: Sequence[str]) -> None:
        super().__init__(
            f"Rows of {name} are still in use: {'; '.join(references)}. Change or delete those rows, then uninstall it again.",
            module=name,
            references=list(references),
        )


class ManagedElsewhere(PluginError):
    status = 409
    code = "managed_by_platform"

    def __init__(
        self, platform: str | None, what: str = "The modules of this runtime are chosen on the platform", advice: str = "Change them there."
    ) -> None:
        where = f" at {platform}" if platform else ""
        super().__init__(f"{what}{where}. {advice}", platform=platform)


class NothingToUpgrade(PluginError):
    status = 409
    code = "module_up_to_date"

    def __init__(self, name: str, version: str | None) -> None:
        super().__init__(
            f"{name} is already at {version}, the version of its package. Install a newer package with pip, then try again.", module=name
        )


class NotInstalled(PluginError):
    status = 409
    code = "module_not_installed"

    def __init__(self, name: str, state: str) -> None:
        super().__init__(f"{name} is {state}, so there is nothing to do. `dentalpin modules list` shows the states.", module=name)


class NothingToRetry(PluginError):
    status = 409
    code = "module_not_failed"

    def __init__(self, name: str) -> None:
        super().__init__(f"Nothing of {name} failed, so there is nothing to try again.", module=name)


class EveryClinicNeeded(PluginError):
    """Modules and restarts concern every clinic of the tenant."""

    status = 403
    code = "permission_needed_in_every_clinic"

    def __init__(self, permission: str, lacking: int, clinics: int) -> None:
        super().__init__(
            f"This concerns every clinic here, and you have {permission} in {clinics - lacking} of {clinics}. "
            "Ask the owner, or somebody who administers all of them.",
            permission=permission,
            lacking=lacking,
        )


class ModuleDisabled(PluginError):
    """What a route of a module that is switched off answers."""

    status = 409
    code = "module_disabled"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is switched off here; its data is kept. Who may change modules switches it on: POST /api/v1/modules/{name}/enable.",
            module=name,
        )


class IllegalTransition(PluginError):
    status = 409
    code = "module_state_conflict"

    def __init__(self, name: str, state: str, trigger: str) -> None:
        super().__init__(
            f"{name} is {state}; {trigger} is not possible from there. `dentalpin modules info {name}` shows why.", module=name
        )


class MigrationRefused(PluginError):
    """A plan that would go beyond the module's own revisions, or cannot be made."""

    code = "migration_refused"


class ForeignTableTouched(PluginError):
    code = "migration_touched_foreign_table"

    def __init__(self, name: str, tables: Sequence[str]) -> None:
        super().__init__(
            f"The migrations of {name} changed tables of others: {', '.join(tables)}. Nothing was kept. "
            "A module creates, changes and drops its own tables only; correct the migration.",
            module=name,
            tables=list(tables),
        )


class DependencyUndeclared(PluginError):
    code = "module_dependency_undeclared"

    def __init__(self, name: str, references: Sequence[str]) -> None:
        super().__init__(
            f"{name} uses tables of modules it does not depend on: {'; '.join(references)}. Nothing was kept. Add them to `depends`.",
            module=name,
            references=list(references),
        )


class SeedInvalid(PluginError):
    """A seed file that cannot be loaded. Names the file, the entry and what to do; nothing of the module's transaction is kept."""

    status = 422
    code = "seed_invalid"

    def __init__(self, file: str, reason: str, *, index: int | None = None, xml_id: str | None = None) -> None:
        where = file if index is None else f"{file}, entry {index + 1}" + (f" ({xml_id})" if xml_id else "")
        super().__init__(f"{where}: {reason}", file=file, index=index, xml_id=xml_id)


class HookFailed(PluginError):
    code = "lifecycle_hook_failed"

    def __init__(self, name: str, hook: str, reason: str) -> None:
        super().__init__(f"{name}.{hook}() failed: {reason}. Nothing of this operation was kept.", module=name)


class ProcessorLockLost(PluginError):
    code = "processor_lock_lost"

    def __init__(self) -> None:
        super().__init__(
            "The connection that holds the processor's lock was lost; the open transaction was rolled back. Start again to continue."
        )
