import pytest

from app.core.runtime.locks import AdoptedRevision, ServedState
from app.core.runtime.process import ServingProcess

PATIENTS, AGENDA = frozenset({"patients"}), frozenset({"agenda"})


def revision(generation):
    return AdoptedRevision(generation, "sha256:1", "sha256:2", {})


def state(installed, generation=1):
    return ServedState(frozenset(installed), frozenset(installed), revision(generation))


@pytest.fixture
def serving():
    return ServingProcess(None, None, PATIENTS, revision(1), None, on_restart=print)


def test_the_same_modules_are_no_reason_to_be_replaced(serving):
    assert serving.differs_from(state(PATIENTS)) is None


def test_a_module_that_is_installed_and_not_mounted_is_named(serving):
    assert serving.differs_from(state(PATIENTS | AGENDA)) == "installed but not mounted: agenda"


def test_a_module_that_is_mounted_and_gone_is_named(serving):
    assert serving.differs_from(state(())) == "mounted but no longer installed: patients"


def test_a_module_that_could_not_be_imported_would_not_be_in_another_process_either(serving):
    serving.unusable = AGENDA

    assert serving.differs_from(state(PATIENTS | AGENDA)) is None


def test_a_later_revision_is_the_business_of_the_process_that_is_started_for_it(serving):
    assert serving.differs_from(state(PATIENTS | AGENDA, generation=2)) is None
