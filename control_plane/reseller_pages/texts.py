"""The sentences of these pages, beside those of sign-up, of the owner's pages and of statements, which they share words with."""

from functools import cache
from importlib.resources import files

import yaml
from pydantic import TypeAdapter
from starlette.requests import Request

from control_plane.account_pages import texts as account
from control_plane.compliance.schema import Text
from control_plane.languages import preferred
from control_plane.resellers import texts as resellers


@cache
def catalogue() -> dict[str, Text]:
    content = yaml.safe_load(files("control_plane.reseller_pages").joinpath("texts.yaml").read_text(encoding="utf-8"))
    return {**account.catalogue(), **resellers.catalogue(), **TypeAdapter(dict[str, Text]).validate_python(content)}


class Words(resellers.Words):
    def __call__(self, key: str, **values: object) -> str:
        text = catalogue()[key].to(self.language)
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        return key in catalogue()


def words_of(request: Request) -> Words:
    return Words(preferred(request.headers.get("accept-language")))
