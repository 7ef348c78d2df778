import pytest

from app.core.runtime.environment import Environment, without_owner
from app.core.runtime.errors import SettingMissing


def test_secrets_are_read_from_files(tmp_path):
    file = tmp_path / "app.url"
    file.write_text("postgresql://app:s3cret@h/db\n")

    environment = Environment.read({"DATABASE_URL_FILE": str(file)})

    assert environment.database_url == "postgresql://app:s3cret@h/db"
    assert "s3cret" not in repr(environment)


def test_a_missing_database_is_named():
    with pytest.raises(SettingMissing, match="DATABASE_URL"):
        Environment.read({})


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingMissing, match="nowhere"):
        Environment.read({"DATABASE_URL_FILE": str(tmp_path / "nowhere")})


def test_a_number_that_is_none_is_named():
    with pytest.raises(SettingMissing, match="DENTALPIN_STATUS_FD"):
        Environment.read({"DATABASE_URL": "postgresql://h/db", "DENTALPIN_STATUS_FD": "three"})


def test_nothing_of_the_owner_is_left_for_serving():
    given = {
        "DATABASE_URL": "app",
        "OWNER_DATABASE_URL": "owner",
        "OWNER_DATABASE_URL_FILE": "/secrets/owner.url",
        "PGPASSWORD": "owner",
        "DENTALPIN_KEEP_OLD": "1",
        "PATH": "/bin",
    }

    assert without_owner(given) == {"DATABASE_URL": "app", "PATH": "/bin"}
