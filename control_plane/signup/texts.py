"""The pages' sentences. texts.yaml holds each in every language, so that none is forgotten in one of them."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter
from starlette.requests import Request

from control_plane.compliance.schema import Text
from control_plane.languages import Language, money, preferred
from control_plane.languages import day as day_in_words


@cache
def catalogue() -> dict[str, Text]:
    """All sentences by key. Raises what pydantic raises when one lacks a language."""
    content = yaml.safe_load(files("control_plane.signup").joinpath("texts.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Text]).validate_python(content)


@dataclass(frozen=True)
class Speech:
    """Words, dates and amounts in the reader's language."""

    language: Language

    def __call__(self, key: str, **values: object) -> str:
        text = catalogue()[key].to(self.language)
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        return key in catalogue()

    def of(self, text: Text) -> str:
        return text.to(self.language)

    def date(self, day: date) -> str:
        return day_in_words(day, self.language)

    def money(self, amount: Decimal, currency: str) -> str:
        return money(amount, currency, self.language)

    def list(self, words: list[str]) -> str:
        joint = " y " if self.language == "es" else " and "
        return joint.join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def speech_of(request: Request) -> Speech:
    """In the best of our languages for whoever asks."""
    return Speech(preferred(request.headers.get("accept-language")))
