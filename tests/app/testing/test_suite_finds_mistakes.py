"""The conformance suite fails where it should: each mistake of the fixture `flawed` by the test that is there for it, and by no other."""

import re

import pytest

from tests.app.testing.conftest import KINDS
from tests.support.author import Author

FOUND = {
    "test_the_manifest_and_the_package_have_no_errors": "a role is granted what nobody declares",
    "test_the_migrations_are_a_branch_of_their_own": "no branch label",
    "test_the_database_has_what_the_models_say": "a column no migration makes",
    "test_each_revision_can_be_taken_back_by_itself": "a type stays behind",
    "test_a_read_only_clinic_is_looked_at_and_not_changed": "a GET writes",
    "test_the_doctor_finds_no_error_where_it_is_installed": "so many of these",
    "test_removing_takes_what_came_with_the_module_and_nothing_else": "a type stays behind",
    "test_installing_again_after_a_removal_brings_tables_and_seeds_back": "that type is in the way",
    "test_restoring_the_backup_brings_equal_rows_back": "that type is in the way",
    "test_installing_twice_changes_nothing": "the hook adds a row each time",
    "test_every_table_belongs_to_a_clinic_or_is_shared_on_purpose": "lines have no clinic",
    "test_lists_show_nothing_of_another_clinic": "a list shows all lines",
    "test_things_of_another_clinic_are_neither_found_nor_changed": "anybody's line can be removed",
    "test_every_route_asks_for_a_clinic_and_a_declared_permission": "a route asks for nothing",
    "test_nobody_and_strangers_are_refused_everywhere": "a route answers nobody",
    "test_each_role_may_do_what_the_manifest_grants_and_no_more": "a route fails",
    "test_scheduled_jobs_run_in_every_clinic": "a job takes for granted that there is something to do",
    "test_switched_off_its_events_wait_and_its_routes_say_so": "the handler falls over once it is told",
    "test_tools_answer_nothing_of_another_clinic": "a tool answers all lines",
    "test_tools_are_refused_to_whoever_lacks_a_permission": "no role can have what a tool asks for",
    "test_tools_ask_for_permissions_that_exist_and_can_be_offered": "nobody declares what a tool asks for",
    "test_subscribed_events_are_handled": "a handler falls over what it does not know",
}
TESTS = """
from app.testing.conformance import *

MODULE = "flawed"


async def populate(client, clinic):
    response = await client.post("/api/v1/flawed/things", headers=clinic.headers)
    assert response.status_code == 201, response.text
"""


@pytest.fixture
def author(tmp_path, postgres) -> Author:
    return Author(tmp_path, postgres)


def test_every_mistake_is_found_by_its_test(author):
    author.write("tests/test_conformance.py", TESTS)
    author.write("pyproject.toml", '[tool.pytest.ini_options]\nasyncio_mode = "auto"\n')

    done = author.pytest(author.overlay(KINDS / "flawed"))

    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)", done.stdout, re.MULTILINE))
    assert failed == set(FOUND), done.stdout[-6000:]


def test_a_module_nobody_installed_is_named(author):
    author.write("tests/test_conformance.py", TESTS.replace('"flawed"', '"nowhere"'))

    done = author.pytest(author.overlay(), "-k", "manifest")

    assert "no installed distribution offers the module nowhere" in done.stdout
