import pytest


@pytest.fixture
def module_names():
    """What the runtime of these tests has installed; `patients` and `agenda` come along."""
    return ("inventory",)
