"""A module's frontend layer (guide §4), as far as its files say: slots, locales, and that the configuration registers what is there."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.plugins.loader import DiscoveredModule

from .issues import Issue, issue
from .surroundings import Surroundings

_CALL: Final = re.compile(r"""\bregisterSlot\s*\(\s*(?P<quote>['"`])(?P<slot>[^'"`]+)(?P=quote)\s*,""")
_COMMENT: Final = re.compile(r"""//[^\n]*|/\*.*?\*/""", re.DOTALL)
_FIELD: Final = r"""(?<![\w.]){field}\s*:\s*['"`]([^'"`]+)['"`]"""


@dataclass(frozen=True, slots=True)
class Slot:
    """One `registerSlot(slot, {id, permission, …})`."""

    slot: str
    id: str
    permission: str | None


def layer_path(found: DiscoveredModule) -> Path | None:
    """The folder of the module's layer, if the manifest names one that is there."""
    named = found.manifest.frontend.layer_path
    folder = found.package_path / named if named else None
    return folder if folder is not None and folder.is_dir() else None


def read_slots(found: DiscoveredModule) -> list[Slot]:
    """The slot entries of a layer's slots.ts, in the order they are written."""
    folder = layer_path(found)
    file = folder / "slots.ts" if folder is not None else None
    if file is None or not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    calls = list(_CALL.finditer(text))
    slots: list[Slot] = []
    ends = [call.start() for call in calls[1:]] + [len(text)] * bool(calls)
    for call, end in zip(calls, ends, strict=True):
        body = _COMMENT.sub("", text[call.end() : end])
        identifier, permission = (re.search(_FIELD.format(field=field), body) for field in ("id", "permission"))
        slots.append(Slot(call["slot"], identifier[1] if identifier else "", permission[1] if permission else None))
    return slots


def layer_issues(found: DiscoveredModule, surroundings: Surroundings) -> Iterator[Issue]:
    folder, name = layer_path(found), found.name
    if folder is None:
        return
    yield from _configuration_issues(name, folder)
    known = surroundings.permissions([name, *found.manifest.depends])
    seen: set[str] = set()
    for slot in read_slots(found):
        if not slot.id.startswith((f"{name}.", f"{name.replace('_', '-')}.")):
            text = f"{name}: the entry {slot.id or 'without an id'} of slot {slot.slot} needs an id that begins with {name}."
            yield issue("SLOT_ID_NOT_NAMESPACED", text, name)
        if slot.id in seen:
            yield issue("SLOT_TWICE", f"{name}: two slot entries have the id {slot.id}; ids are unique", name)
        seen.add(slot.id)
        if slot.permission is not None and slot.permission not in known:
            text = f"{name}: the slot entry {slot.id} asks for {slot.permission}, which neither {name} nor its `depends` declare"
            yield issue("SLOT_PERMISSION_UNKNOWN", text, name)


def _configuration_issues(name: str, folder: Path) -> Iterator[Issue]:
    file = folder / "nuxt.config.ts"
    if not file.is_file():
        yield issue("LAYER_CONFIG_MISSING", f"{name}: {folder.name}/nuxt.config.ts is not there, so that Nuxt takes it for no layer", name)
        return
    configuration = _COMMENT.sub("", file.read_text(encoding="utf-8"))
    for place, word in ((folder / "components", "components"), (folder / "i18n" / "locales", "i18n")):
        if place.is_dir() and not re.search(rf"\b{word}\s*:", configuration):
            text = f"{name}: {folder.name}/nuxt.config.ts does not say `{word}:`, so that {place.relative_to(folder)}/ is not read"
            yield issue("LAYER_CONFIG_MISSING", text, name)
    for locale in sorted((folder / "i18n" / "locales").glob("*.json")):
        try:
            known = isinstance(json.loads(locale.read_text(encoding="utf-8")), dict)
        except ValueError:
            known = False
        if not known:
            yield issue("LOCALE_INVALID", f"{name}: {locale.relative_to(folder.parent)} is no JSON object; correct it", name)
