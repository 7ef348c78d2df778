import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.runtime import first_clinic
from app.core.runtime.adoption import Adoption, adopt
from app.core.runtime.errors import RevisionConflict, RevisionOlder
from app.core.runtime.revision import RevisionDocument
from app.database import sqlalchemy_url
from tests.support.revisions import TENANT_ID, revision_document


def revision(*modules, **changes):
    return RevisionDocument.of(revision_document(*modules, **changes))


@pytest.fixture
async def owner(core_schema):
    """A connection in one transaction, as boot has it."""
    engine = create_async_engine(sqlalchemy_url(core_schema.owner_url))
    async with engine.begin() as connection:
        yield connection
    await engine.dispose()


async def generations(owner):
    return list(await owner.scalars(text("SELECT generation FROM core_revision ORDER BY generation")))


async def test_a_first_and_a_later_generation_are_adopted(owner):
    assert await adopt(owner, revision("patients", generation=2)) is Adoption.NEW
    assert await adopt(owner, revision("patients", "agenda", generation=5)) is Adoption.NEW

    assert await generations(owner) == [2, 5]


async def test_the_same_revision_again_changes_nothing(owner):
    await adopt(owner, revision("patients"))

    assert await adopt(owner, revision("patients")) is Adoption.KNOWN
    assert await generations(owner) == [1]


async def test_an_older_generation_is_refused(owner):
    await adopt(owner, revision("patients", generation=4))

    with pytest.raises(RevisionOlder, match="issue the older content as a new generation"):
        await adopt(owner, revision("patients", generation=3))
    assert await generations(owner) == [4]


async def test_the_same_generation_with_another_content_is_refused(owner):
    await adopt(owner, revision("patients"))

    with pytest.raises(RevisionConflict, match="another content"):
        await adopt(owner, revision("patients", "agenda"))


async def test_another_tenants_revision_is_refused(owner):
    await adopt(owner, revision("patients"))
    other = {"id": "11111111-1111-4111-8111-111111111111", "slug": "other", "name": "Other"}

    with pytest.raises(RevisionConflict, match="belongs to tenant"):
        await adopt(owner, revision("patients", generation=2, tenant=other))


ANOTHER = {"id": "11111111-1111-4111-8111-111111111111", "slug": "sol-copy", "name": "Clínica Sol (copy)"}


def copy_of(tenant_id):
    return {"tenant_id": tenant_id, "of": "clinica-sol", "taken_at": "2026-11-21T02:30:00+00:00", "until": "2026-12-05"}


async def test_a_copys_revision_takes_over_the_database_it_names_and_cuts_its_ties(owner):
    await adopt(owner, revision("patients", generation=3))
    await owner.execute(text("INSERT INTO users (id, email) VALUES (gen_random_uuid(), 'ana@sol.example')"))
    await owner.execute(
        text("INSERT INTO refresh_tokens (user_id, family_id, token_hash) SELECT id, gen_random_uuid(), repeat('a', 64) FROM users")
    )

    assert await adopt(owner, revision("patients", generation=4, tenant=ANOTHER, isolated=copy_of(TENANT_ID))) is Adoption.NEW

    assert await owner.scalar(text("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL")) == 0
    assert await adopt(owner, revision("patients", "agenda", generation=5, tenant=ANOTHER, isolated=copy_of(TENANT_ID))) is Adoption.NEW
    with pytest.raises(RevisionConflict, match="belongs to tenant"):
        await adopt(owner, revision("patients", generation=6))


async def test_a_copy_of_somebody_else_does_not_get_this_database(owner):
    await adopt(owner, revision("patients"))

    with pytest.raises(RevisionConflict, match="belongs to tenant"):
        await adopt(owner, revision("patients", generation=2, tenant=ANOTHER, isolated=copy_of(ANOTHER["id"])))


async def people(owner):
    return [
        tuple(row)
        for row in await owner.execute(
            text(
                "SELECT u.email, u.is_owner, c.name, m.role "
                "FROM users u JOIN memberships m ON m.user_id = u.id JOIN clinics c ON c.id = m.clinic_id"
            )
        )
    ]


async def test_the_first_clinic_and_its_owner_are_made_once(owner):
    await first_clinic.ensure(owner, revision())
    await first_clinic.ensure(owner, revision(generation=2))

    assert await people(owner) == [("owner@clinica-sol.example", True, "Clínica Sol", "admin")]


async def test_a_corrected_address_reaches_an_owner_who_never_signed_in(owner):
    await first_clinic.ensure(owner, revision())

    await first_clinic.ensure(owner, revision(generation=2, owner={"email": "New@Clinica-Sol.example"}))

    assert [person[0] for person in await people(owner)] == ["new@clinica-sol.example"]


async def test_an_owner_with_a_password_keeps_the_address(owner):
    await first_clinic.ensure(owner, revision())
    await owner.execute(text("UPDATE users SET password_hash = 'x', password_set_at = now()"))

    await first_clinic.ensure(owner, revision(generation=2, owner={"email": "new@clinica-sol.example"}))

    assert [person[0] for person in await people(owner)] == ["owner@clinica-sol.example"]


async def test_a_clinic_the_people_renamed_stays_as_they_named_it(owner):
    await first_clinic.ensure(owner, revision())
    await owner.execute(text("UPDATE clinics SET name = 'Sol y Luna'"))

    await first_clinic.ensure(owner, revision(generation=2))

    assert await owner.scalar(text("SELECT array_agg(name) FROM clinics")) == ["Sol y Luna"]
