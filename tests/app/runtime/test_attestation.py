from app.core.runtime.attestation import ModuleRow, differences, json_schema
from tests.support.revisions import revision_document

ASKED = revision_document("patients", "agenda")


def row(name, state="installed", version="0.1.0", head="0001", by_generation=1, error=None):
    return ModuleRow(name, version, state, head, by_generation, error)


def missing(*rows, mounted=("patients", "agenda")):
    return {item.name: item.reason for item in differences(ASKED, rows, frozenset(mounted))}


def test_everything_installed_and_mounted_is_as_asked():
    assert missing(row("patients"), row("agenda")) == {}


def test_a_disabled_module_counts_as_installed():
    assert missing(row("patients"), row("agenda", state="disabled"), mounted=("patients",)) == {}


def test_a_package_that_is_not_here_is_named():
    assert missing(row("patients")) == {"agenda": "its package is not in this release"}


def test_the_error_of_a_failed_module_is_the_reason():
    assert missing(row("patients"), row("agenda", state="to_install", error="its migration failed")) == {"agenda": "its migration failed"}


def test_another_version_than_asked_for_is_named():
    assert "0.0.9" in missing(row("patients"), row("agenda", version="0.0.9"))["agenda"]


def test_an_installed_module_that_is_not_served_is_named():
    assert "does not serve" in missing(row("patients"), row("agenda"), mounted=("patients",))["agenda"]


def test_what_came_by_a_revision_and_is_not_asked_for_any_more_is_still_to_be_removed():
    assert missing(row("patients"), row("agenda"), row("inventory", state="to_remove")) == {"inventory": "it is still to be removed"}


def test_a_refused_removal_says_why():
    refused = row("inventory", error="rows of inventory are still in use")

    assert missing(row("patients"), row("agenda"), refused) == {"inventory": "rows of inventory are still in use"}


def test_what_a_person_installed_is_nobody_elses_business():
    assert missing(row("patients"), row("agenda"), row("inventory", by_generation=None)) == {}


def test_what_is_gone_is_as_asked():
    assert missing(row("patients"), row("agenda"), row("inventory", state="uninstalled")) == {}


def test_the_schema_names_the_fields_as_they_are_sent():
    assert {"schema", "generation", "identity", "not_as_asked", "owner_claimed"} <= json_schema()["properties"].keys()
