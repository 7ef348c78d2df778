"""The sentences of the owner's pages, beside those of sign-up, which they share the words for modules, plans and amounts with."""

from decimal import Decimal
from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter
from starlette.requests import Request

from control_plane.compliance.schema import Text
from control_plane.languages import preferred
from control_plane.signup import texts as signup
from control_plane.signup.texts import Speech


@cache
def catalogue() -> dict[str, Text]:
    content = yaml.safe_load(files("control_plane.account_pages").joinpath("texts.yaml").read_text(encoding="utf-8"))
    return {**signup.catalogue(), **TypeAdapter(dict[str, Text]).validate_python(content)}


class Words(Speech):
    def __call__(self, key: str, **values: object) -> str:
        text = catalogue()[key].to(self.language)
        return text.format(**values) if values else text

    def number(self, value: Decimal) -> str:
        """As the language writes it, without zeros at its end."""
        text = f"{value.normalize():f}"
        return text.replace(".", ",") if self.language == "es" else text

    def has(self, key: str) -> bool:
        return key in catalogue()


def words_of(request: Request) -> Words:
    return Words(preferred(request.headers.get("accept-language")))
