"""What may never be committed: registry hosts, paths of one machine, secrets, unmarked skips."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Written in pieces, so that this file does not contain what it looks for.
REGISTRIES = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".", "registry" + ".npm", "deb" + ".debian")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + "|".join(("work", "root", r"home/[a-z]\w*")) + r")/[\w.]")
PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\bsk_live_[0-9A-Za-z]{10,}")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: the list of committed files is not known")
    return [ROOT / name for name in listed.stdout.split("\0") if name and not (ROOT / name).is_symlink() and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in tracked():
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def test_no_registry_host_is_named():
    named = [f"{name}: {host}" for name, text in texts().items() for host in REGISTRIES if host in text]
    assert named == []


def test_no_path_of_one_machine_is_named():
    mine = str(Path(__file__).relative_to(ROOT))
    named = [f"{name}: {hit.group()}" for name, text in texts().items() if name != mine and (hit := MACHINE_PATHS.search(text))]
    assert named == []


def test_no_private_key_is_committed():
    mine = str(Path(__file__).relative_to(ROOT))
    assert [name for name, text in texts().items() if name != mine and PRIVATE_KEY.search(text)] == []


def test_locks_are_pinned_by_hash_and_name_no_index():
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text, lock.name
        for requirement in re.split(r"\n(?=\S)", text):
            if requirement.strip() and not requirement.startswith("#"):
                assert "==" in requirement, f"{lock.name}: {requirement}"
                assert "--hash=sha256:" in requirement, f"{lock.name}: {requirement}"
