"""Every mail exists in every language, and is given exactly what it names."""

import ast
from collections import defaultdict
from pathlib import Path

import jinja2.meta
import pytest

import control_plane
from control_plane.languages import LANGUAGES
from control_plane.mail.writing import FOLDER, environment, write

ENVELOPE = {"key", "to", "template", "locale", "at", "tenant_id"}


def written():
    """Templates by the places in the code that write them: {name: {place: values given}}; an f-string or variable fails the scan."""
    found = defaultdict(dict)
    root = Path(control_plane.__file__).parent
    for file in root.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if isinstance(given.get("template"), ast.Constant) and "locale" in given:
                found[given["template"].value][f"{file.relative_to(root)}:{node.lineno}"] = given.keys() - ENVELOPE
    return found


WRITTEN = written()


def variables(name, language):
    made = environment(language)
    source, _, _ = made.loader.get_source(made, f"{name}.{language}.txt")
    return jinja2.meta.find_undeclared_variables(made.parse(source))


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_a_mail_has_all_languages_and_is_given_what_it_names(name):
    named = {language: variables(name, language) for language in LANGUAGES}
    assert len({frozenset(each) for each in named.values()}) == 1, named
    for place, values in WRITTEN[name].items():
        assert values == named["en"], f"{place} gives {name} other values than it names"


def test_no_template_is_left_over():
    assert {file.name.split(".")[0] for file in FOLDER.iterdir()} == WRITTEN.keys()


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_a_mail_begins_with_its_subject_in_one_line(name):
    for language in LANGUAGES:
        subject, _, text = (FOLDER / f"{name}.{language}.txt").read_text().partition("\n")
        assert 5 < len(subject) < 100
        assert text.startswith(("Hello", "Hola")), "a mail greets whom it is for"


def test_a_subject_cannot_be_broken_into_headers():
    subject, _ = write(template="invitation", locale="en", clinic="Sol\r\nBcc: eve@evil.example", link="http://x", days=7)
    assert "\n" not in subject
