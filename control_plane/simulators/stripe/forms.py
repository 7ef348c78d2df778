"""Reading the provider's form encoding: `items[0][price]=price_1&metadata[tenant]=t1`."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from control_plane.simulators.stripe.errors import invalid, unknown_parameter

_KEY = re.compile(r"[^\[\]]+")


def parse(text: str) -> dict[str, Any]:
    """Nested values; what is numbered or written `name[]` becomes a list."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text)):
        parts = [*_KEY.findall(key), *([""] if key.endswith("[]") else [])]
        _put(root, parts, value)
    listed: dict[str, Any] = _lists(root)
    return listed


def _put(node: dict[str, Any], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        inner = node.setdefault(part, {})
        if not isinstance(inner, dict):
            raise invalid(f"Invalid parameter {part}: it is given as a value and as a hash")
        node = inner
    last = parts[-1] or str(len(node))
    node[last] = value


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    read = {key: _lists(value) for key, value in node.items()}
    if read and all(key.isdigit() for key in read):
        return [read[key] for key in sorted(read, key=int)]
    return read


class Parameters:
    """What a request gave. Each name is taken once; `done` refuses what nobody asked for, since a double must not swallow a typo."""

    def __init__(self, given: dict[str, Any], prefix: str = "") -> None:
        self._given = dict(given)
        self._prefix = prefix

    def _take(self, name: str) -> Any:
        return self._given.pop(name, None)

    def has(self, name: str) -> bool:
        return name in self._given

    def text(self, name: str, default: str | None = None) -> str | None:
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise invalid(f"Invalid string: {name}", self._prefix + name)
        return value

    def needed(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise invalid(f"Missing required param: {name}.", self._prefix + name, "parameter_missing")
        return value

    def choice(self, name: str, choices: Iterable[str], default: str | None = None) -> str | None:
        value = self.text(name, default)
        allowed = list(choices)
        if value is not None and value not in allowed:
            raise invalid(f"Invalid {name}: must be one of {', '.join(allowed)}", self._prefix + name)
        return value

    def number(self, name: str, default: int | None = None) -> int | None:
        value = self.text(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except ValueError as error:
            raise invalid(f"Invalid integer: {value}", self._prefix + name, "parameter_invalid_integer") from error

    def moment(self, name: str, now: int) -> int | None:
        """A time as seconds since 1970, or `now`."""
        if self._given.get(name) == "now":
            self._take(name)
            return now
        return self.number(name)

    def flag(self, name: str, default: bool | None = None) -> bool | None:
        value = self.choice(name, ("true", "false"))
        return default if value is None else value == "true"

    def hash(self, name: str) -> "Parameters":
        value = self._take(name)
        if value in (None, ""):
            value = {}
        if not isinstance(value, dict):
            raise invalid(f"Invalid hash: {name}", self._prefix + name)
        return Parameters(value, f"{self._prefix}{name}.")

    def array(self, name: str) -> list[Any] | None:
        value = self._take(name)
        if value is None:
            return None
        if value == "":
            return []
        if not isinstance(value, list):
            raise invalid(f"Invalid array: {name}", self._prefix + name)
        return value

    def metadata(self, present: dict[str, str] | None = None) -> dict[str, str]:
        """Present metadata changed by what was given: an empty text removes a key."""
        given = self._take("metadata")
        if given == "":
            return {}
        merged = {**(present or {}), **(given or {})}
        return {key: str(value) for key, value in merged.items() if value != ""}

    def ignore(self, *names: str) -> None:
        """Take what has no meaning here: words for people, and looks."""
        for name in names:
            self._take(name)

    def done(self) -> None:
        for name in self._given:
            raise unknown_parameter(self._prefix + name)
