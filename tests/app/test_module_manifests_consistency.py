"""The modules this distribution ships, judged together as CI judges them: any issue is an error."""

from app.core.auth.permissions import ROLES
from app.core.plugins.loader import CORE_DISTRIBUTION, Discovery, discover_modules
from app.core.plugins.manifest_validator import validate_discovery
from app.core.plugins.processor import core_version
from app.core.plugins.revisions import read_book


def official() -> Discovery:
    return Discovery({module.name: module for module in discover_modules() if module.distribution == CORE_DISTRIBUTION})


def test_no_official_module_has_an_issue():
    found = official()
    book = read_book({module.name: module.versions_path for module in found if module.versions_path is not None}, {})

    issues = validate_discovery(found, [revision.facts for revision in book.revisions.values()], core_version=core_version(), roles=ROLES)

    assert [f"{issue.code} {issue.message}" for issue in issues] == []
    assert book.errors == {}


def test_what_ships_with_the_core_calls_itself_official():
    assert {module.name for module in official() if module.manifest.category != "official"} == set()
