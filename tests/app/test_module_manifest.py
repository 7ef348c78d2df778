"""The manifest as modules write it (seeds, guide §1)."""

import pytest

from app.core.plugins import BaseModule
from app.core.plugins.manifest import Manifest, core_refusal, granted, version_key
from app.core.plugins.manifest_validator import read_manifest


def test_policy_flags_default_to_the_careful_choice():
    manifest = Manifest.model_validate({"name": "stock", "version": "1.0.0"})

    assert (manifest.installable, manifest.auto_install, manifest.removable) == (True, False, False)


@pytest.mark.parametrize("name", ["Stock", "stock-items", "1stock", "", "stock__x"])
def test_a_name_must_be_snake_case(name):
    manifest, issues = read_manifest({"name": name, "version": "1.0.0"})

    assert manifest is None
    assert [issue.code for issue in issues if issue.fatal] == ["NAME_INVALID"]


@pytest.mark.parametrize("version", ["1", "1.0", "1.0.0b1", "v1.0.0"])
def test_a_version_must_be_three_numbers(version):
    manifest, issues = read_manifest({"name": "stock", "version": version})

    assert manifest is None
    assert [issue.code for issue in issues if issue.fatal] == ["VERSION_FORMAT"]


def test_only_name_and_version_are_fatal():
    manifest, issues = read_manifest({"name": "stock", "version": "1.0.0", "depends": "patients", "category": "best", "colour": "red"})

    assert manifest is not None
    assert manifest.depends == ()
    assert {"MANIFEST_SCHEMA", "FIELD_UNKNOWN", "FIELD_MISSING"} == {issue.code for issue in issues}


def test_the_snapshot_reads_back_as_the_same_manifest():
    manifest = Manifest.model_validate({"name": "stock", "version": "1.0.0", "role_permissions": {"admin": ["*"]}, "fulfils": ["es-x"]})

    assert Manifest.model_validate(manifest.snapshot()) == manifest


def test_wildcards_select_declared_permissions_only():
    declared = ("items.read", "items.write", "movements.read")

    assert granted(("*",), declared) == frozenset(declared)
    assert granted(("items.*",), declared) == {"items.read", "items.write"}
    assert granted(("nothing",), declared) == frozenset()


def test_versions_compare_by_number():
    assert version_key("1.10.0") > version_key("1.9.0") > version_key(None)


def test_versions_compare_as_semantic_versioning_says():
    """The list of its §11."""
    names = ["alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11", "rc.1"]
    keys = [version_key(f"1.0.0-{name}") for name in names] + [version_key("1.0.0")]

    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert version_key("1.0.0+build.5") == version_key("1.0.0")


def test_the_version_of_a_python_package_compares_with_a_modules():
    assert version_key("1.1.0rc1") < version_key("1.1.0") < version_key("1.1.1.dev3")
    assert version_key("1.1") == version_key("1.1.0")


@pytest.mark.parametrize(
    ("lowest", "highest", "core", "goes"),
    [
        ("1.0.0", None, "1.0.0", True),
        ("1.0.1", None, "1.0.0", False),
        (None, "1.0.0", "1.0.0", True),
        (None, "1.0.0", "1.0.1", False),
    ],
)
def test_a_module_goes_with_the_cores_from_its_lowest_to_its_highest(lowest, highest, core, goes):
    manifest = Manifest(name="stock", version="1.0.0", min_core_version=lowest, max_core_version=highest)

    assert (core_refusal(manifest, core) is None) is goes


def test_a_module_class_needs_nothing_but_its_manifest():
    class Small(BaseModule):
        manifest = {"name": "small", "version": "1.0.0"}  # noqa: RUF012  as the guide prints it

    module = Small()

    assert (module.name, module.get_router(), module.get_tools(), module.get_permissions()) == ("small", None, [], [])
