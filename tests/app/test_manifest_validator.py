"""Each issue code, from the smallest manifest that shows it."""

import re
from pathlib import Path

import pytest

from app.core.auth.permissions import CORE_PERMISSIONS
from app.core.plugins.errors import ManifestInvalid
from app.core.plugins.manifest import RESERVED_NAMES, Manifest
from app.core.plugins.manifest_validator import RevisionFacts, validate_module, validate_set
from tests.support.packages import site

__all__ = ["site"]

ROOT = Path(__file__).parents[2]


def codes(issues):
    return {issue.code for issue in issues}


def issues_of(site, *, body="", **manifest):
    site.add("stock", body=body, **manifest)
    return validate_module(site.discovered("stock"), core_version="1.0.0")


PERMISSIONS = "def get_permissions(self):\n    return ['items.read']\n"


def test_a_sound_module_has_no_issue(site):
    navigation = [{"label": "nav.stock", "to": "/stock", "permission": "stock.items.read"}]
    found = issues_of(
        site, body=PERMISSIONS, role_permissions={"admin": ["*"], "dentist": ["items.*"]}, frontend={"navigation": navigation}
    )

    assert found == []


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        ({"role_permissions": {"pirate": ["*"]}}, "UNKNOWN_ROLE"),
        ({"role_permissions": {"admin": ["items.burn"]}}, "UNKNOWN_PERMISSION"),
        ({"frontend": {"navigation": [{"label": "x", "to": "/x", "permission": "items.read"}]}}, "NAV_PERM_NOT_NAMESPACED"),
        ({"frontend": {"navigation": [{"label": "x", "to": "/x", "permission": "stock.items.burn"}]}}, "NAV_PERMISSION_UNKNOWN"),
        ({"frontend": {"layer_path": "frontend"}}, "LAYER_MISSING"),
        ({"data_files": ["data/none.yaml"]}, "DATA_FILE_MISSING"),
        ({"min_core_version": "2.0.0"}, "CORE_TOO_OLD"),
        ({"min_core_version": "0.9.0", "max_core_version": "0.9.9"}, "CORE_TOO_NEW"),
        ({"min_core_version": "1"}, "MIN_CORE_VERSION_FORMAT"),
        ({"max_core_version": "2.x"}, "MAX_CORE_VERSION_FORMAT"),
        ({"min_core_version": "1.5.0", "max_core_version": "1.4.0"}, "CORE_RANGE_EMPTY"),
        ({"category": "official"}, "NOT_OFFICIAL"),
        ({"depends": 3}, "MANIFEST_SCHEMA"),
        ({"dependz": []}, "FIELD_UNKNOWN"),
    ],
)
def test_each_mistake_in_a_manifest_has_its_code(site, manifest, code):
    assert code in codes(issues_of(site, body=PERMISSIONS, **manifest))


@pytest.mark.parametrize(("permission", "code"), [("a.b.c", "PERMISSION_INVALID"), ("stock.items", "PERMISSION_NAMESPACED")])
def test_permissions_are_local_names(site, permission, code):
    assert codes(issues_of(site, body=f"def get_permissions(self):\n    return [{permission!r}]\n")) == {code}


@pytest.mark.parametrize("name", ["admin", "agents", "modules", "core"])
def test_a_module_of_one_of_the_cores_names_cannot_be_loaded(site, name):
    """It could declare `admin.modules.write`, and grant it to whomever it likes."""
    site.add(name)

    with pytest.raises(ManifestInvalid, match="the core uses that name"):
        _ = site.discovered(name).manifest


def test_the_first_words_of_the_cores_routes_and_permissions_are_reserved():
    routes = re.findall(r"`[A-Z]+ /api/v1/([a-z_]+)", (ROOT / "docs/reference/api.md").read_text())
    modules = {path.parent.name for path in (ROOT / "modules").glob("*/__init__.py")}

    assert {*routes, *(permission.partition(".")[0] for permission in CORE_PERMISSIONS)} - modules <= RESERVED_NAMES


def test_models_without_a_branch_are_an_error(site):
    assert codes(issues_of(site, body="def get_models(self):\n    return [object]\n")) == {"TABLES_WITHOUT_BRANCH"}


def manifests(**depends):
    return {name: Manifest(name=name, version="1.0.0", depends=tuple(needs), removable=True) for name, needs in depends.items()}


def test_unknown_dependencies_and_cycles_are_found():
    found = validate_set(manifests(a=["nowhere"], b=["c"], c=["b"]))

    assert {(issue.code, issue.module) for issue in found} == {
        ("UNKNOWN_DEPENDENCY", "a"),
        ("DEPENDENCY_CYCLE", "b"),
        ("DEPENDENCY_CYCLE", "c"),
    }


def test_a_module_in_the_middle_of_its_range_of_cores_has_no_issue(site):
    assert issues_of(site, body=PERMISSIONS, min_core_version="1.0.0-rc.1", max_core_version="1.0.0") == []


CORE = RevisionFacts("0001", "core", (), (), ())


def test_a_revision_that_follows_a_removable_modules_branch_is_refused():
    own = RevisionFacts("a_0001", "a", ("0001",), (), ("a",))
    guest = RevisionFacts("b_0001", "b", ("a_0001",), (), ("b",))

    found = validate_set(manifests(a=[], b=["a"]), [CORE, own, guest])

    assert codes(found) == {"REMOVABLE_BRANCH_NOT_ISOLATED", "BRANCH_NOT_OWN"}


def test_depending_on_a_revision_is_not_following_it():
    own = RevisionFacts("a_0001", "a", ("0001",), (), ("a",))
    guest = RevisionFacts("b_0001", "b", ("0001",), ("a_0001",), ("b",))

    assert validate_set(manifests(a=[], b=["a"]), [CORE, own, guest]) == []


def test_a_branch_carries_its_modules_name():
    assert codes(validate_set(manifests(a=[]), [CORE, RevisionFacts("a_0001", "a", ("0001",), (), ())])) == {"BRANCH_LABEL_MISSING"}


def test_a_branch_carries_no_other_name():
    own = RevisionFacts("a_0001", "a", ("0001",), (), ("a", "b"))

    assert codes(validate_set(manifests(a=[]), [CORE, own])) == {"BRANCH_LABEL_FOREIGN"}


def test_a_branch_has_one_head():
    own = [RevisionFacts("a_0001", "a", ("0001",), (), ("a",))]
    own += [RevisionFacts(name, "a", ("a_0001",), (), ()) for name in ("a_0002", "a_0003")]

    assert codes(validate_set(manifests(a=[]), [CORE, *own])) == {"BRANCH_SPLIT"}


@pytest.mark.parametrize("needed", ["b_0001", "b@head"])
def test_a_revision_depends_on_modules_of_the_manifest_only(needed):
    own = RevisionFacts("a_0001", "a", ("0001",), (needed,), ("a",))
    other = RevisionFacts("b_0001", "b", ("0001",), (), ("b",))

    assert codes(validate_set(manifests(a=[], b=[]), [CORE, own, other])) == {"REVISION_DEPENDS_UNDECLARED"}
    assert validate_set(manifests(a=["b"], b=[]), [CORE, own, other]) == []


def test_what_may_go_unsaid_by_others_is_an_error_of_an_official_module(site):
    site.add("stock", distribution="dentalpin-core", body=PERMISSIONS, colour="red")

    [issue] = validate_module(site.discovered("stock"), core_version="1.0.0")

    assert (issue.code, issue.severity) == ("FIELD_UNKNOWN", "error")
