import json
import subprocess
import sys

from app.core.plugins.loader import discover_modules
from app.release import describe, describe_text
from dentalpin_kit.canonical import canonical_json, digest_text


def test_the_catalogue_names_the_core_its_modules_and_the_schemas_of_the_contract():
    catalogue = describe()

    assert catalogue["core_version"] == "1.0.0"
    assert {"patients", "agenda"} <= catalogue["modules"].keys()
    assert catalogue["modules"]["agenda"]["depends"] == ["patients"]
    assert catalogue["modules"]["agenda"]["distribution"] == "dentalpin-core"
    assert len(catalogue["modules"]["patients"]["heads"]) == 1
    assert set(catalogue["modules"]["patients"]["heads"]) <= set(catalogue["modules"]["patients"]["revisions"])
    assert catalogue["core_revisions"][0] == "0001"
    assert catalogue["schemas"].keys() == {"revision", "attestation"}


def test_the_command_prints_exactly_the_text_whose_digest_is_the_releases_id():
    printed = subprocess.run([sys.executable, "-m", "app.cli.main", "release", "describe"], capture_output=True, text=True, check=True)

    # In a process of its own too: other tests of this one have packages of theirs on the path.
    asked = [sys.executable, "-c", "from app.release import release_id; print(release_id())"]
    named = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert digest_text(printed.stdout) == named.stdout.strip()
    assert printed.stdout == canonical_json(json.loads(printed.stdout))


def test_the_text_is_the_same_however_often_it_is_made():
    assert describe_text(discover_modules()) == describe_text(discover_modules())


def test_a_package_that_cannot_be_imported_is_left_out_with_the_reason(tmp_path, monkeypatch):
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dentalpin.modules]\nbroken = broken_module:Broken\n")
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('no')\n")
    monkeypatch.syspath_prepend(tmp_path)

    catalogue = describe()

    assert "broken" not in catalogue["modules"]
    assert "RuntimeError: no" in catalogue["unusable"]["broken"]
    assert "patients" in catalogue["modules"]
