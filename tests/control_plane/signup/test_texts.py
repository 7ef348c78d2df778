import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from control_plane.compliance.requirements import Status
from control_plane.operations.kinds import KINDS, OperationKind
from control_plane.operations.states import StepState
from control_plane.plans import Limits
from control_plane.signup import texts
from control_plane.signup.terms import Payment
from control_plane.signup.texts import Speech, catalogue

FOLDER = Path(texts.__file__).parent
# Keys that the templates and the code put together.
COMPOSED = (
    {f"step.{step}" for step in KINDS[OperationKind.PROVISION].steps}
    | {f"state.{state}" for state in StepState}
    | {f"law.{status}" for status in Status}
    | {f"law.becomes.{status}" for status in [*Status, "none"]}
    | {f"progress.{stage}.{part}" for stage in ("ready", "failed", "gone") for part in ("title", "lead")}
    | {f"limit.{name}{how}" for name in Limits.model_fields for how in ("", ".one", ".none")}
    | {f"payment.{payment}{now}.{part}" for payment in Payment for now in ("", ".now") for part in ("title", "about")}
    - {"payment.trial.now.title", "payment.trial.now.about"}
    | {f"form.{name}" for name in ("name", "email", "slug", "country", "territory", "legal_form", "tax_id")}
)


def used() -> set[str]:
    sources = [*FOLDER.glob("*.py"), *FOLDER.glob("templates/*.html")]
    return {key for source in sources for key in re.findall(r'say\(\s*f?"([a-z_.]+)"', source.read_text(encoding="utf-8"))}


def test_every_sentence_used_exists():
    found = {key for key in used() if not key.endswith((".", "_"))}
    # `say("a" if x else "b")` names two.
    conditional = set(re.findall(r'"((?:progress|form|law)\.[a-z_.]+)"', "".join(path.read_text() for path in FOLDER.glob("*.py"))))
    assert {key for key in found | conditional | COMPOSED if not key.endswith(".html")} <= catalogue().keys()


def test_no_sentence_is_left_over():
    everything = "".join(path.read_text(encoding="utf-8") for path in [*FOLDER.glob("*.py"), *FOLDER.glob("templates/*.html")])
    left = {key for key in catalogue().keys() - COMPOSED if f'"{key}"' not in everything}
    assert {key for key in left if not key.startswith(("module.", "error."))} == set()


def test_both_languages_take_the_same_values():
    for key, text in catalogue().items():
        assert set(re.findall(r"{(\w+)}", text.en)) == set(re.findall(r"{(\w+)}", text.es)), key


@pytest.mark.parametrize(("language", "amount"), [("en", "€1,234.50"), ("es", "1.234,50\u00a0€")])
def test_amounts_are_written_as_the_language_does(language, amount: str):
    assert Speech(language).money(Decimal("1234.50"), "EUR") == amount


@pytest.mark.parametrize(("language", "day"), [("en", "1 January 2027"), ("es", "1 de enero de 2027")])
def test_dates_are_written_as_the_language_does(language, day: str):
    assert Speech(language).date(date(2027, 1, 1)) == day


@pytest.mark.parametrize(("words", "listed"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"), ([], "")])
def test_lists_read_as_sentences(words: list[str], listed: str):
    assert Speech("en").list(words) == listed
