"""What people and programs are told by a runtime that is a copy."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from app.config import Settings
from app.core.copies.copy import Copy, is_copy
from app.core.plugins.router import router as modules_router
from tests.support.app import SECRET, build
from tests.support.app import clinic_app as clinic_app
from tests.support.app import request_database as request_database
from tests.support.revisions import revision_document

COPY = Copy("clinica-sol", uuid4(), datetime(2026, 11, 21, 2, 30, tzinfo=UTC), date(2026, 12, 5))


@pytest.fixture
async def copied(clinic_app, tmp_path):
    await clinic_app.add_user(admin=await clinic_app.add_clinic())
    settings = Settings(secret_key=SECRET, mail_folder=tmp_path / "mail")
    return build(clinic_app.schema, clinic_app.database, copy=COPY, settings=settings, routers=(modules_router,))


async def test_every_page_and_the_api_say_of_what_and_when_it_is_a_copy(copied):
    async with await copied.signed_in() as client:
        active = (await client.get("/api/v1/modules/-/active")).json()["data"]
        page = (await client.get("/login", headers={"Accept-Language": "es"})).text

    assert active["copy_of"] == "clinica-sol"
    assert "copy of clinica-sol as of 2026-11-21 02:30 UTC" in active["banner"]
    assert "deleted on 2026-12-05" in active["banner"]
    assert "copia de clinica-sol del 21/11/2026" in page


async def test_a_copy_has_no_mail_even_where_mail_is_configured(copied):
    assert not copied.app.state.mail.open


def test_the_revision_file_says_that_a_process_is_a_copy(tmp_path):
    import json

    file = tmp_path / "revision.json"
    said = {"tenant_id": str(COPY.tenant_id), "of": COPY.of, "taken_at": COPY.taken.isoformat(), "until": COPY.until.isoformat()}
    file.write_text(json.dumps(revision_document("patients", isolated=said)))

    assert is_copy({"DENTALPIN_REVISION_FILE": str(file)})
    assert Copy.in_document(json.loads(file.read_text())) == COPY
    file.write_text(json.dumps(revision_document("patients")))
    assert not is_copy({"DENTALPIN_REVISION_FILE": str(file)})
    assert not is_copy({})
