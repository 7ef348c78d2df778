"""What resellers read, in the language of their organisation: statements here, and the sentences of their pages."""

from decimal import Decimal
from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter

from control_plane.compliance.schema import Text
from control_plane.signup import texts as signup
from control_plane.signup.texts import Speech


@cache
def catalogue() -> dict[str, Text]:
    """All sentences by key, beside those of sign-up. Raises what pydantic raises when one lacks a language."""
    content = yaml.safe_load(files("control_plane.resellers").joinpath("texts.yaml").read_text(encoding="utf-8"))
    return {**signup.catalogue(), **TypeAdapter(dict[str, Text]).validate_python(content)}


class Words(Speech):
    def __call__(self, key: str, **values: object) -> str:
        text = catalogue()[key].to(self.language)
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        return key in catalogue()

    def number(self, value: Decimal) -> str:
        """With the digits it has, grouped as the language groups them."""
        text = f"{value:,}"
        return text.translate(str.maketrans(",.", ".,")) if self.language == "es" else text

    def trimmed(self, value: Decimal) -> str:
        """Without zeros at its end."""
        return self.number(Decimal(f"{value.normalize():f}"))

    def plain(self, value: Decimal) -> str:
        """For a spreadsheet: not grouped."""
        return str(value).replace(".", ",") if self.language == "es" else str(value)
