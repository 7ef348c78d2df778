"""Which worker runs what when tests run in parallel: a file is one unit of work, and so is a folder whose tests share one platform.

`xdist_group` marks are of no use here: pytest-xdist 3.8 writes the group into an attribute that pytest 9 no longer reads, so every worker
started a platform of its own, without a word.
"""

from typing import Final

import pytest

SHARED: Final = ("tests/chaos/", "tests/end_to_end/")
"""Folders whose tests share a platform that takes long to start."""
FIRST: Final = (
    *SHARED,
    "tests/control_plane/embedded/",
    "tests/contract/test_author_environment.py",
    "tests/contract/test_api_fuzz.py",
    "tests/contract/test_module_guide.py",
    "tests/app/plugins/test_state_machine.py",
    "tests/app/runtime/",
)
"""What takes longest, the longest first: begun last, one worker would finish it alone."""


def unit_of(nodeid: str) -> str:
    """The unit of work a test belongs to: its file, or the folder it shares a platform with."""
    return next((folder for folder in SHARED if nodeid.startswith(folder)), nodeid.partition("::")[0])


def place_of(nodeid: str) -> int:
    return next((place for place, name in enumerate(FIRST) if nodeid.startswith(name)), len(FIRST))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadScopeScheduling

    class ByUnit(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return unit_of(nodeid)

    config.option.loadscopereorder = False
    return ByUnit(config, log)
