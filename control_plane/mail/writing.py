"""The words of mails: one file per template and language in `templates/`, the first line being the subject.

A value that a template names and nobody gave is an error when the mail is written, not an empty place in what somebody reads.
"""

from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from control_plane.languages import LANGUAGES, Language, day, money

FOLDER: Final = Path(__file__).parent / "templates"


def language_of(locale: str) -> Language:
    """The language of a locale such as `es-ES` where the platform speaks it, else English."""
    primary = locale.replace("_", "-").partition("-")[0].lower()
    return next((language for language in LANGUAGES if language == primary), "en")


@cache
def environment(language: Language) -> Environment:
    """Templates with the filters `day`, which writes a date in words, and `money`, which writes an amount of a currency."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  plain text, never HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def in_words(value: date) -> str:
        return day(value, language)

    def in_numbers(value: Decimal, currency: str) -> str:
        return money(value, currency, language)

    made.filters["day"] = in_words
    made.filters["money"] = in_numbers
    return made


def write(*, template: str, locale: str, **values: Any) -> tuple[str, str]:
    """Subject and text. Raises jinja2.TemplateNotFound and jinja2.UndefinedError."""
    language = language_of(locale)
    subject, _, text = environment(language).get_template(f"{template}.{language}.txt").render(**values).partition("\n")
    return " ".join(subject.split()), text.strip() + "\n"
