"""A clinic leaves a platform and goes on by itself: real processes, one archive, two databases."""

import csv
import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx2
import pytest

from app.config import Settings
from app.core.auth.passwords import Passwords
from app.core.exports import exporting, importing
from app.core.exports.errors import ExportFileExists, ExportFileName, ImportDiffers, ImportModulesMissing, ImportNotEmpty, ImportUnsigned
from app.core.plugins.loader import Discovery, discover_modules
from app.core.runtime.courier import PURPOSE, create_courier
from dentalpin_kit.archives import sign_archive, verify_archive
from dentalpin_kit.tokens import SigningKey, sign
from tests.app.runtime.conftest import asked, runtime
from tests.support.revisions import PLATFORM_KEY, TENANT_ID, revision_document
from tests.support.runtime_process import TenantRuntime

__all__ = ["asked", "runtime"]

EMAIL, PASSWORD = "owner@clinica-sol.example", "correct horse battery staple"
DATA_KEY = "the data key of this clinic, made for this test"
KEY = SigningKey.generate()
XRAY = b"\x89PNG of a tooth" * 1000


@pytest.fixture
async def clinic(runtime):
    """A clinic with an owner, a patient with an awkward name, and a file; nothing runs."""
    runtime.environment["DENTALPIN_DATA_KEY"] = DATA_KEY
    hashed = await Passwords(memory_kib=8, rounds=1, lanes=1).hash(PASSWORD)
    connection = await asyncpg.connect(runtime.database.owner_url)
    clinic = await connection.fetchval("SELECT id FROM clinics")
    await connection.execute("DELETE FROM memberships")
    await connection.execute("DELETE FROM users")
    user = await connection.fetchval("INSERT INTO users (email, password_hash, is_owner) VALUES ($1, $2, true) RETURNING id", EMAIL, hashed)
    await connection.execute("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, 'admin')", user, clinic)
    await connection.execute(
        "INSERT INTO patients (id, clinic_id, first_name, last_name, sort_name, search_text)"
        " VALUES (gen_random_uuid(), $1, $2, $3, 'nunez', 'ana nunez')",
        clinic,
        'Ana "la de\nsiempre", ñ',
        "Núñez\\",
    )
    await connection.close()
    (runtime.folder / "storage" / "patients").mkdir(parents=True)
    (runtime.folder / "storage" / "patients" / "rayos x.png").write_bytes(XRAY)
    (runtime.folder / "storage" / ".half.draft").write_bytes(b"under way")
    return runtime


async def test_an_exported_clinic_starts_stand_alone_signs_in_and_shows_its_patients(clinic, tenant_database, tmp_path):
    archive = tmp_path / "export.zip"
    told = json.loads((await clinic.command("export", str(archive), "--json")).stdout)["data"]
    sign_archive(archive, KEY, at=datetime.now(UTC))

    assert archive.stat().st_mode & 0o777 == 0o600
    assert told["files"] == 1
    _check_open_data(archive)

    (tmp_path / "own").mkdir()
    own = TenantRuntime(tmp_path / "own", tenant_database)
    try:
        imported = json.loads((await own.command("import", str(archive), "--signed-by", KEY.public, "--json")).stdout)["data"]
        assert (imported["signed_by"], imported["files"]) == (KEY.public, 1)
        assert (own.folder / "storage" / "patients" / "rayos x.png").read_bytes() == XRAY
        assert (own.folder / "data.key").read_text().strip() == DATA_KEY
        await own.serve(DENTALPIN_DATA_KEY_FILE=imported["data_key_file"])
        async with httpx2.AsyncClient(base_url=f"http://{own.address[0]}:{own.address[1]}", timeout=30) as person:
            signed_in = await person.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
            assert signed_in.status_code == 200, signed_in.text
            headers = {"Authorization": f"Bearer {signed_in.json()['data']['access_token']}"}
            patients = (await person.get("/api/v1/patients", headers=headers)).json()
            assert [patient["first_name"] for patient in patients["data"]] == ['Ana "la de\nsiempre", ñ']
            made = await person.post("/api/v1/patients", json={"first_name": "Luis", "last_name": "Sanz"}, headers=headers)
            assert made.status_code == 201, made.text
            # Nobody else's platform decides here any more.
            plan = await person.post("/api/v1/modules/agenda/uninstall", json={}, headers=headers)
            assert "platform" not in plan.text
        refused = await _fails(own, "import", str(archive))
        assert "import_not_empty" in refused
    finally:
        await own.close()


def _check_open_data(archive):
    with zipfile.ZipFile(archive) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        sums = dict(reversed(line.split("  ", 1)) for line in opened.read("SHA256SUMS").decode().splitlines())
        assert all(hashlib.sha256(opened.read(name)).hexdigest() == digest for name, digest in sums.items())
        assert not [name for name in opened.namelist() if ".draft" in name]
        [patient] = [json.loads(line) for line in opened.read("data/patients/patients.jsonl").decode().splitlines()]
        [row] = csv.DictReader(io.StringIO(opened.read("data/patients/patients.csv").decode(), newline=""))
        schema = json.loads(opened.read("data/patients/patients.schema.json"))
        people = opened.read("data/core/users.jsonl").decode()
    assert patient["first_name"] == row["first_name"] == 'Ana "la de\nsiempre", ñ'
    assert patient["last_name"] == row["last_name"] == "Núñez\\"
    columns = {column["name"]: column for column in schema["columns"]}
    assert columns.keys() == patient.keys() == row.keys()
    assert columns["clinic_id"]["references"] == [{"table": "clinics", "column": "id"}]
    assert columns["id"]["primary_key"]
    assert EMAIL in people
    assert "password_hash" not in people
    assert {module["name"] for module in manifest["modules"]} == {"patients", "agenda"}
    assert {table["module"] for table in manifest["open_data"]} == {"core", "patients", "agenda"}


async def test_a_courier_carries_the_same_archive_out_of_a_clinics_volume_and_leaves_nothing_there(clinic, tmp_path):
    """What a Job of a cluster does beside the clinic, on a real clinic's database and files."""
    (tmp_path / "revision.json").write_text(json.dumps(revision_document("patients", "agenda")))
    settings = Settings(
        owner_database_url=clinic.database.owner_url,
        storage=clinic.folder / "storage",
        revision_file=tmp_path / "revision.json",
        data_key=DATA_KEY,
        pg_bindir=clinic.database.bindir,
    )
    token = sign(PLATFORM_KEY, audience=TENANT_ID, purpose=PURPOSE, lifetime=timedelta(minutes=1))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(create_courier(settings)), base_url="http://courier", timeout=60) as asked:
        assert (await asked.get("/export")).status_code == 401
        answer = await asked.get("/export", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    archive = tmp_path / "carried.zip"
    archive.write_bytes(answer.content)

    _check_open_data(archive)
    verify_archive(archive)
    assert not (settings.storage / ".outgoing").exists()


async def _fails(tenant, *arguments):
    with pytest.raises(AssertionError) as failed:
        await tenant.command(*arguments)
    return str(failed.value)


@pytest.fixture
async def exported(clinic, tmp_path):
    """An archive nobody signed."""
    done = await exporting.export(
        owner_url=clinic.database.owner_url, storage=clinic.folder / "storage", file=tmp_path / "export.zip", bindir=clinic.database.bindir
    )
    return done.file


async def test_an_export_overwrites_nothing_and_leaves_nothing_half_done(clinic, exported):
    before = exported.read_bytes()

    with pytest.raises(ExportFileExists):
        await exporting.export(owner_url=clinic.database.owner_url, storage=clinic.folder, file=exported, bindir=clinic.database.bindir)
    (clinic.folder / "storage" / "a\\b").write_bytes(b"")
    other = exported.with_name("other.zip")
    with pytest.raises(ExportFileName):
        await exporting.export(
            owner_url=clinic.database.owner_url, storage=clinic.folder / "storage", file=other, bindir=clinic.database.bindir
        )

    assert exported.read_bytes() == before
    assert not list(exported.parent.glob("*other.zip*"))


async def test_an_archive_this_environment_cannot_run_is_refused_with_what_is_missing(exported):
    with pytest.raises(ImportUnsigned):
        importing.check(exported, discover_modules(), trusted=None, allow_unsigned=False)
    with pytest.raises(ImportModulesMissing, match=r"agenda 1\.\d+\.\d+ of the package dentalpin-core"):
        importing.check(exported, Discovery({}), trusted=None, allow_unsigned=True)

    assert importing.check(exported, discover_modules(), trusted=None, allow_unsigned=True).signed_by is None


async def test_a_place_that_is_not_empty_and_rows_that_differ_are_refused(clinic, exported, tenant_database, tmp_path):
    verified = importing.check(exported, discover_modules(), trusted=None, allow_unsigned=True)
    places = {"storage": tmp_path / "new" / "storage", "data_key_file": tmp_path / "new" / "data.key", "bindir": tenant_database.bindir}

    with pytest.raises(ImportNotEmpty, match="The database is not empty"):
        await importing.restore(exported, verified, owner_url=clinic.database.owner_url, **places)
    with pytest.raises(ImportNotEmpty, match="storage is not empty"):
        await importing.restore(exported, verified, owner_url=tenant_database.owner_url, **{**places, "storage": clinic.folder / "storage"})
    assert not places["storage"].exists()
    next(table for table in verified.manifest["dump"]["tables"] if table["name"] == "patients")["rows"] = 2
    with pytest.raises(ImportDiffers, match="patients"):
        await importing.restore(exported, verified, owner_url=tenant_database.owner_url, **places)
