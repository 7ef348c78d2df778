"""The table of codes is what the code raises."""

import re
from pathlib import Path

import app.core.plugins as plugins
from app.core.plugins.checks.issues import CODES, Issue, Severity, in_order

SOURCES = [path for path in Path(plugins.__file__).parent.rglob("*.py") if path.name != "issues.py"]
BUILT = {"MIN_CORE_VERSION_FORMAT", "MAX_CORE_VERSION_FORMAT"}
PEER = {
    "MANIFEST_SCHEMA", "VERSION_FORMAT", "MIN_CORE_VERSION_FORMAT", "UNKNOWN_ROLE", "UNKNOWN_PERMISSION", "NAV_PERM_NOT_NAMESPACED",
    "UNKNOWN_DEPENDENCY", "REMOVABLE_BRANCH_NOT_ISOLATED",
}  # fmt: skip


def test_every_code_is_raised_somewhere_and_every_raised_code_is_in_the_table():
    text = "\n".join(path.read_text() for path in SOURCES)
    raised = {code for code in re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', text) if code in CODES}
    unknown = set(re.findall(r'\bissue\(\s*"([A-Z_]+)"', text)) - CODES.keys()

    assert CODES.keys() - raised == BUILT
    assert unknown == set()


def test_the_codes_of_the_public_application_exist_under_their_names():
    assert CODES.keys() >= PEER


def test_errors_come_first_and_nothing_twice():
    warning, error = Issue("A", "x", "m", Severity.WARNING), Issue("B", "y", "m")

    assert in_order([warning, error, warning]) == [error, warning]
