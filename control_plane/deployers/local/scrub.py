"""Takes secrets out of what a failed process printed, before anybody else sees it."""

import re
from collections.abc import Iterable

HIDDEN = "•••"

_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+]*://[^:/@\s]*:)[^@\s]+@", re.IGNORECASE)
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
_BEARER = re.compile(r"(\bbearer\s+)[^\s\"']+", re.IGNORECASE)
_NAMED = re.compile(
    r"(\b\w*(?:password|passwd|secret|token|api_?key)\w*[\"']?\s*[=:]\s*[\"']?)(?!None\b|null\b)[^\s\"',;)}]+", re.IGNORECASE
)


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the given secrets, passwords in addresses, tokens and values that are named like a secret."""
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, HIDDEN)
    text = _URL_PASSWORD.sub(rf"\1{HIDDEN}@", text)
    text = _TOKEN.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)
