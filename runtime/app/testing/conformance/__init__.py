"""The conformance suite: what every module must be able to do, run by one import.

    # tests/test_conformance.py
    from app.testing.conformance import *

    MODULE = "inventory"

What else a test module may say:

- `SHARED_TABLES = {"inventory_units"}`: own tables without `clinic_id`, on purpose: every clinic of the tenant reads and writes them.
- `PAYLOADS = {"lab.order_sent": {...}}`: payloads of subscribed events, where the catalogue's smallest one will not do.
- `async def populate(client, clinic)`: makes rows for a clinic through the module's own routes, so that keeping clinics apart and
  restoring a backup is tried with rows like a user's, and not with the seeds only.

Routes that ask for no permission on purpose are named by the manifest's `public_routes`.
"""

import inspect

import pytest

from .contract import (
    test_the_database_has_what_the_models_say,
    test_the_doctor_finds_no_error_where_it_is_installed,
    test_the_manifest_and_the_package_have_no_errors,
    test_the_migrations_are_a_branch_of_their_own,
)
from .events import (
    test_events_the_module_did_not_subscribe_to_do_not_reach_it,
    test_every_handler_can_be_called,
    test_subscribed_events_are_handled,
    test_subscriptions_name_events_that_exist,
    test_switched_off_its_events_wait_and_its_routes_say_so,
)
from .jobs import test_scheduled_jobs_run_in_every_clinic
from .lifecycle import (
    test_a_module_that_is_not_removable_refuses_to_go,
    test_a_restart_changes_nothing,
    test_each_revision_can_be_taken_back_by_itself,
    test_installing_again_after_a_removal_brings_tables_and_seeds_back,
    test_removing_takes_what_came_with_the_module_and_nothing_else,
    test_restoring_the_backup_brings_equal_rows_back,
)
from .modes import test_a_read_only_clinic_is_looked_at_and_not_changed
from .permissions import (
    test_each_role_may_do_what_the_manifest_grants_and_no_more,
    test_every_route_asks_for_a_clinic_and_a_declared_permission,
    test_nobody_and_strangers_are_refused_everywhere,
)
from .seeds import (
    test_a_clinic_added_later_gets_the_same_seeds,
    test_each_clinic_has_its_own_seeds,
    test_installing_twice_changes_nothing,
)
from .subject import bare, module_names, populated, subject
from .tenancy import (
    test_every_table_belongs_to_a_clinic_or_is_shared_on_purpose,
    test_lists_show_nothing_of_another_clinic,
    test_the_database_itself_keeps_clinics_apart,
    test_things_of_another_clinic_are_neither_found_nor_changed,
)
from .tools import (
    test_tools_answer_nothing_of_another_clinic,
    test_tools_are_refused_to_whoever_lacks_a_permission,
    test_tools_ask_for_permissions_that_exist_and_can_be_offered,
)

__all__ = [
    "bare",
    "module_names",
    "populated",
    "subject",
    "test_a_clinic_added_later_gets_the_same_seeds",
    "test_a_module_that_is_not_removable_refuses_to_go",
    "test_a_read_only_clinic_is_looked_at_and_not_changed",
    "test_a_restart_changes_nothing",
    "test_each_clinic_has_its_own_seeds",
    "test_each_revision_can_be_taken_back_by_itself",
    "test_each_role_may_do_what_the_manifest_grants_and_no_more",
    "test_events_the_module_did_not_subscribe_to_do_not_reach_it",
    "test_every_handler_can_be_called",
    "test_every_route_asks_for_a_clinic_and_a_declared_permission",
    "test_every_table_belongs_to_a_clinic_or_is_shared_on_purpose",
    "test_installing_again_after_a_removal_brings_tables_and_seeds_back",
    "test_installing_twice_changes_nothing",
    "test_lists_show_nothing_of_another_clinic",
    "test_nobody_and_strangers_are_refused_everywhere",
    "test_removing_takes_what_came_with_the_module_and_nothing_else",
    "test_restoring_the_backup_brings_equal_rows_back",
    "test_scheduled_jobs_run_in_every_clinic",
    "test_subscribed_events_are_handled",
    "test_subscriptions_name_events_that_exist",
    "test_switched_off_its_events_wait_and_its_routes_say_so",
    "test_the_database_has_what_the_models_say",
    "test_the_database_itself_keeps_clinics_apart",
    "test_the_doctor_finds_no_error_where_it_is_installed",
    "test_the_manifest_and_the_package_have_no_errors",
    "test_the_migrations_are_a_branch_of_their_own",
    "test_things_of_another_clinic_are_neither_found_nor_changed",
    "test_tools_answer_nothing_of_another_clinic",
    "test_tools_are_refused_to_whoever_lacks_a_permission",
    "test_tools_ask_for_permissions_that_exist_and_can_be_offered",
]

for name in __all__:
    if inspect.iscoroutinefunction(globals()[name]):
        # For repositories whose pytest-asyncio is in its strict mode.
        pytest.mark.asyncio(globals()[name])
