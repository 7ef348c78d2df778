"""Who manages which field, and server-side apply. Pure: objects in, objects out.

A path is a tuple of steps: the name of a field, or the key of an element of a list (a tuple of pairs). Leaves are values, lists that
are replaced as a whole, and empty mappings.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from control_plane.simulators.kubernetes.kinds import SETS, key_of, keys_of

Path = tuple[Any, ...]
Paths = frozenset[Path]
Managers = dict[tuple[str, str], Paths]
"""(manager, `Apply` or `Update`) → the fields it manages."""

_NOT_MANAGED: Final = frozenset({"apiVersion", "kind"})
_SERVERS: Final = frozenset({"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"})


@dataclass(frozen=True)
class Conflict:
    path: Path
    manager: str

    def __str__(self) -> str:
        return f'conflict with "{self.manager}": {dotted(self.path)}'


def dotted(path: Path) -> str:
    return "".join(f".{step}" if isinstance(step, str) else f"[{','.join(f'{k}={json.dumps(v)}' for k, v in step)}]" for step in path)


def paths_of(subject: Mapping[str, Any]) -> Paths:
    """The managed leaves of an object; status and what the server writes left out."""
    found: set[Path] = set()
    for name, value in subject.items():
        if name in _NOT_MANAGED or name == "status":
            continue
        inner = {key: one for key, one in value.items() if key not in _SERVERS} if name == "metadata" else value
        found.update(_leaves(inner, (name,)))
    return frozenset(found)


def _leaves(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list) and value and path[-1] in SETS:
        for one in value:
            yield (*path, (("=", one),))
    elif isinstance(value, list) and (keys := keys_of(path[-1], value)) is not None:
        for one in value:
            here = (*path, key_of(one, keys))
            yield here
            for name, inner in one.items():
                yield from _leaves(inner, (*here, name))
    elif value != {} or len(path) > 1:
        yield path


def read(subject: Any, path: Path) -> Any:
    """The value at a path; None where there is none."""
    value = subject
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        elif isinstance(value, list):
            value = _element(value, step)
        else:
            return None
        if value is None:
            return None
    return value


def _element(elements: list[Any], key: tuple[tuple[str, Any], ...]) -> Any:
    if key[0][0] == "=":
        return key[0][1] if key[0][1] in elements else None
    names = tuple(name for name, _ in key)
    return next((one for one in elements if isinstance(one, dict) and key_of(one, names) == key), None)


def merged(live: Any, applied: Any, field: str = "") -> Any:
    """`applied` laid over `live`: mappings by field, keyed lists by element, everything else replaced."""
    if isinstance(live, dict) and isinstance(applied, dict):
        together = dict(live)
        for name, value in applied.items():
            together[name] = merged(live[name], value, name) if name in live else copy.deepcopy(value)
        return together
    if isinstance(live, list) and isinstance(applied, list):
        if field in SETS:
            return live + [one for one in applied if one not in live]
        keys = keys_of(field, [*live, *applied])
        if keys is not None:
            order = {key_of(one, keys): one for one in live}
            for one in applied:
                key = key_of(one, keys)
                order[key] = merged(order[key], one) if key in order else copy.deepcopy(one)
            return list(order.values())
    return copy.deepcopy(applied)


def without(subject: Any, path: Path) -> Any:
    """The object without the value at a path; mappings and elements that become empty by that go as well."""
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        if not isinstance(subject, dict) or step not in subject:
            return subject
        if not rest:
            return {name: value for name, value in subject.items() if name != step}
        inner = without(subject[step], rest)
        if inner in ({}, []) and subject[step] not in ({}, []):
            return {name: value for name, value in subject.items() if name != step}
        return {**subject, step: inner}
    if not isinstance(subject, list):
        return subject
    present = _element(subject, step)
    if present is None:
        return subject
    if not rest or step[0][0] == "=":
        return [one for one in subject if one is not present]
    return [without(one, rest) if one is present else one for one in subject]


def apply(
    live: dict[str, Any] | None, config: dict[str, Any], managers: Managers, manager: str, *, force: bool
) -> tuple[dict[str, Any], Managers, list[Conflict]]:
    """The object after `manager` applied `config`, and who manages what then; with conflicts, nothing is changed.

    What the manager applied before and does not apply any more is removed, unless somebody else manages it too.
    """
    who = (manager, "Apply")
    wanted = paths_of(config)
    others = {owner: paths for owner, paths in managers.items() if owner != who}
    disputed = [
        Conflict(path, owner[0])
        for owner, paths in others.items()
        for path in sorted(paths & wanted, key=dotted)
        if live is not None and not _is_element(path) and read(live, path) != read(config, path)
    ]
    if disputed and not force:
        return live or {}, managers, disputed
    taken = {conflict.path for conflict in disputed}
    others = {owner: paths - taken for owner, paths in others.items()}
    after = merged(live or {}, config)
    kept = frozenset().union(*others.values()) if others else frozenset()
    gone = managers.get(who, frozenset()) - wanted - kept
    # Elements first: what is inside one that goes needs no looking for, and by then its key could not be read any more.
    for path in sorted(gone, key=lambda path: (not _is_element(path), -len(path))):
        if not any(other[: len(path)] == path for other in kept) and not _is_key(path):
            after = without(after, path)
    # What was emptied went along, and may be what is wanted: an empty mapping.
    after = merged(after, config)
    return after, {**{owner: paths for owner, paths in others.items() if paths}, who: wanted}, []


def _is_element(path: Path) -> bool:
    return not isinstance(path[-1], str) and path[-1][0][0] != "="


def _is_key(path: Path) -> bool:
    """Whether it is a field by which its element is told apart."""
    return len(path) > 1 and _is_element(path[:-1]) and path[-1] in dict(path[-2])


def updated(before: dict[str, Any] | None, after: dict[str, Any], managers: Managers, manager: str) -> Managers:
    """Who manages what after somebody wrote the object as a whole: what they changed is theirs, what is gone is nobody's."""
    who = (manager, "Update")
    there = paths_of(after)
    changed = {path for path in there if before is None or read(before, path) != read(after, path)}
    left = {owner: (paths & there) - changed for owner, paths in managers.items()}
    left[who] = (left.get(who, frozenset())) | changed
    return {owner: paths for owner, paths in left.items() if paths}


def described(managers: Managers, api_version: str, at: str) -> list[dict[str, Any]]:
    """`metadata.managedFields`."""
    return [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": api_version,
            "time": at,
            "fieldsType": "FieldsV1",
            "fieldsV1": _fields(paths),
        }
        for (manager, operation), paths in sorted(managers.items())
    ]


def _fields(paths: Paths) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for step in path:
            if isinstance(step, str):
                name = f"f:{step}"
            elif step[0][0] == "=":
                name = f"v:{json.dumps(step[0][1])}"
            else:
                name = f"k:{json.dumps(dict(step), sort_keys=True, separators=(',', ':'))}"
            node = node.setdefault(name, {})
        if _is_element(path):
            node.setdefault(".", {})
    return tree
