"""Which backups of modules go, and that nothing goes by itself."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.core.plugins.backup import list_backups
from app.core.plugins.backup.pruning import Retention, prune

NOW = datetime(2027, 1, 31, tzinfo=UTC)


@pytest.fixture
def storage(tmp_path):
    """Backups of stock that are 1, 10, 20 and 30 days old, and one of base that is 30."""
    (tmp_path / "backups").mkdir()
    for module, age in [("stock", 1), ("stock", 10), ("stock", 20), ("stock", 30), ("base", 30)]:
        at = NOW - timedelta(days=age)
        stem = tmp_path / "backups" / f"{module}-{at:%Y%m%dT%H%M%SZ}-{age:08x}"
        stem.with_suffix(".dump").write_bytes(b"rows")
        manifest = {"module": module, "version": "1.0.0", "core_version": "1.0.0", "revisions": [], "server_version": "16"}
        stem.with_suffix(".json").write_text(json.dumps({**manifest, "created_at": at.isoformat(), "dump_bytes": 4}))
    return tmp_path


def ages(storage, module="stock"):
    return [(NOW - backup.manifest.created_at).days for backup in list_backups(storage, module)]


def test_without_an_age_everything_is_kept(storage):
    assert prune(storage, Retention(keep=0), now=NOW) == []
    assert ages(storage) == [1, 10, 20, 30]


@pytest.mark.parametrize(
    ("retention", "left", "base"),
    [
        (Retention(keep=1, days=15), [1, 10], [30]),
        (Retention(keep=3, days=15), [1, 10, 20], [30]),
        (Retention(keep=0, days=15), [1, 10], []),
        (Retention(keep=1, days=0), [1], [30]),
    ],
)
def test_what_is_old_and_not_among_the_newest_of_its_module_goes_with_its_rows(storage, retention, left, base):
    prune(storage, retention, now=NOW)

    assert (ages(storage), ages(storage, "base")) == (left, base)
    assert len(list((storage / "backups").iterdir())) == 2 * (len(left) + len(base))


def test_a_dry_run_names_them_and_deletes_nothing(storage):
    gone = prune(storage, Retention(keep=1, days=15), dry_run=True, now=NOW)

    assert [(NOW - backup.manifest.created_at).days for backup in gone] == [20, 30]
    assert ages(storage) == [1, 10, 20, 30]
