import copy
import json

import pytest

from app.core.runtime.errors import RevisionUnreadable
from app.core.runtime.revision import RevisionDocument, json_schema
from tests.support.revisions import revision_document


def test_a_revision_is_read_from_its_file(tmp_path):
    file = tmp_path / "revision.json"
    file.write_text(json.dumps(revision_document("patients", "agenda", generation=3)))

    revision = RevisionDocument.read(file)

    assert revision.generation == 3
    assert revision.module_names == ("patients", "agenda")
    assert revision.modules[0].reason.kind == "chosen"


def test_the_text_form_of_the_file_does_not_matter(tmp_path):
    file = tmp_path / "revision.json"
    file.write_text(json.dumps(revision_document("patients"), indent=4, sort_keys=True))

    assert RevisionDocument.read(file).module_names == ("patients",)


def test_a_field_of_a_later_platform_is_kept_and_ignored():
    raw = revision_document("patients", colours={"logo": "green"})

    assert RevisionDocument.of(raw).raw["colours"] == {"logo": "green"}


def test_a_changed_document_is_refused():
    raw = copy.deepcopy(revision_document("patients"))
    raw["modules"].append({"name": "agenda", "version": "0.1.0", "reason": {"kind": "chosen"}})

    with pytest.raises(RevisionUnreadable, match="changed after it was issued"):
        RevisionDocument.of(raw)


def test_a_missing_field_is_named():
    raw = revision_document("patients")
    del raw["owner"]

    with pytest.raises(RevisionUnreadable, match="owner"):
        RevisionDocument.of(raw)


def test_another_schema_is_refused():
    with pytest.raises(RevisionUnreadable, match="schema"):
        RevisionDocument.of(revision_document("patients", schema=2))


def test_a_module_named_twice_is_refused():
    with pytest.raises(RevisionUnreadable, match="twice"):
        RevisionDocument.of(revision_document("patients", "patients"))


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_file_that_holds_no_document_is_refused(tmp_path, text):
    file = tmp_path / "revision.json"
    file.write_text(text)

    with pytest.raises(RevisionUnreadable):
        RevisionDocument.read(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RevisionUnreadable, match="nowhere"):
        RevisionDocument.read(tmp_path / "nowhere.json")


def test_the_schema_names_the_fields_as_they_are_written():
    schema = json_schema()

    assert {"schema", "generation", "modules", "digests"} <= schema["properties"].keys()
    assert "schema" in schema["required"]
