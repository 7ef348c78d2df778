"""The document's digests: what counts as the same, and what rolls something out."""

import pytest

from control_plane.revisions.document import parse
from dentalpin_kit.canonical import digest


@pytest.fixture
async def document(client, platform):
    from control_plane.revisions import service as revisions
    from control_plane.tenants import service as tenants

    body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
    await client.post("/v1/tenants", json=body)
    async with platform.database.transaction() as session:
        return (await revisions.desired(session, await tenants.find(session, "sol"))).document


def test_the_identity_is_the_digest_of_everything_else(document):
    assert document["digests"]["identity"] == digest({name: value for name, value in document.items() if name != "digests"})


def test_a_stored_document_reads_back_as_itself(document):
    assert parse(document).sealed() == document


def test_a_reason_changes_the_identity_and_not_the_effect(document):
    content = parse(document)
    first = content.modules[0]
    changed = content.model_copy(
        update={
            "modules": [first.model_copy(update={"reason": first.reason.model_copy(update={"text": "Otherwise."})}), *content.modules[1:]]
        }
    )
    assert changed.identity != content.identity
    assert changed.effect == content.effect


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "read_only"},
        {"limits": {"users": 3}},
        {"payments": {"state": "banner", "why": "unpaid", "pay_at": "http://platform.example/account"}},
        {"modules": []},
        {"release": {"id": "sha256:other", "core_version": "1.0.0"}},
        {"platform": {"url": "http://platform.example", "public_key": "another"}},
    ],
)
def test_what_the_runtime_acts_on_changes_the_effect(document, change):
    assert parse({**document, **change}).effect != document["digests"]["effect"]


def test_what_it_does_not_act_on_does_not(document):
    moved = {"owner": {"email": "eva@sol.example"}, "platform": {**document["platform"], "url": "http://moved.example"}}
    assert parse({**document, **moved}).effect == document["digests"]["effect"]


def test_the_runtime_reads_what_the_platform_writes(document):
    from app.core.runtime.revision import RevisionDocument

    read = RevisionDocument.of(document)
    assert read.module_names == ("patients", "agenda")
    assert read.digests.effect == document["digests"]["effect"]
