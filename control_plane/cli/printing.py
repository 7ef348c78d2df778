"""Answers as a person reads them; --json prints them as the API gave them."""

import json
from collections.abc import Iterable
from typing import Any

import typer

Json = dict[str, Any]


def print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))


_COLUMNS = 7
_WIDEST = 60


def anything(found: Json) -> str:
    """An answer without words of its own: a list as a table of what is short, a thing as its members."""
    items = found.get("items")
    if isinstance(items, list):
        return things([one for one in items if isinstance(one, dict)]) if items else "None."
    return "\n".join(f"{name}: {_cell(value)}" for name, value in found.items()) or "Done."


def things(items: list[Json]) -> str:
    names = [name for name in items[0] if all(not isinstance(one.get(name), dict | list) for one in items)][:_COLUMNS]
    rows = [[_cell(one.get(name)) for name in names] for one in items]
    return table([[name.upper() for name in names], *rows])


def _cell(value: object) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    text = {None: "-", True: "yes", False: "no"}.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def table(rows: Iterable[Iterable[object]]) -> str:
    """Columns as wide as they need, two spaces apart."""
    texts = [[str(cell) if cell is not None else "-" for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))] if texts else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts)


def tenants(found: list[Json]) -> str:
    return table([one["slug"], one["state"], one["country"], one["url"]] for one in found)


def tenant(found: Json) -> str:
    lines = [
        f"{found['slug']}  {found['state']}  {found['url'] or ''}".rstrip(),
        f"  {found['name']}, {found['territory'] or found['country']}",
    ]
    if found["reason"]:
        lines.append(f"  {found['reason']}")
    desired, observed = found["desired"], found["observed"]
    proved = f"revision {observed['revision']} ({observed['status']})" if observed else "nothing yet"
    lines.append(f"  desired revision {desired['revision']}, observed {proved}")
    lines += [f"    {line}" for line in modules(desired["modules"]).splitlines()]
    lines += [f"  unmet: {one['id']} ({one['title']}): {one['why']}" for one in found["compliance"]["unmet"]]
    if found["delete_after"]:
        lines.append(f"  deleted for good after {found['delete_after']}; until then: dentalpin-cloud tenants undo-deletion {found['slug']}")
    if found["final_dump"]:
        dump = found["final_dump"]
        lines.append(f"  final dump: {dump['path']}, kept until {dump['until'] or dump['reason']}")
    return "\n".join(lines)


def modules(found: list[Json]) -> str:
    return table([one["name"], one["version"], one["reason"]["text"]] for one in found)


def plan(found: Json) -> str:
    if found["same"]:
        return "Nothing would change."
    lines = [
        f"{one['action']:9}  {one['name']}  {_versions(one)}  {one['why']}"
        for kind in ("remove", "install", "upgrade", "keep")
        for one in found[kind]
    ]
    price = found["price"]
    lines += [f"unmet      {one['id']}: {one['why']}" for one in found["compliance"]["unmet"]]
    lines.append(f"price      {price['before']} → {price['after']} {price['currency']} a month, net{_charged(price)}")
    return "\n".join(lines)


def _charged(price: Json) -> str:
    if not price["agreed"]:
        return " (nothing is agreed: nobody is charged)"
    if price["now"] is None:
        return ""
    return f"; {price['now']} {price['currency']} at once"


def _versions(change: Json) -> str:
    known = [version for version in (change["from_version"], change["to_version"]) if version]
    return " → ".join(dict.fromkeys(known))


def operation(found: Json) -> str:
    lines = [f"{found['id']}  {found['kind']}  {found['tenant']}  {found['state']}"]
    if found["reason"]:
        lines.append(f"  {found['reason']}")
    lines += [f"  {step['name']:9} {step['state']}{_again(step)}" for step in found["steps"]]
    dump = found["result"].get("final_dump")
    if dump:
        lines.append(f"  final dump: {dump['path']}, kept until {dump['until']}")
    return "\n".join(lines)


def _again(step: Json) -> str:
    return f" (attempt {step['attempts']})" if step["attempts"] > 1 else ""
