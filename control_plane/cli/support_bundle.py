"""`dentalpin-cloud support-bundle`: what somebody who helps needs to see, in one file that may be handed over.

Nothing gets in that is not named here: of every answer only the listed members, never names, addresses, facts or texts of mails; sentences
(`reason`) are redacted, since a database may have quoted anything in them.
"""

import json
import platform as machine
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from control_plane.cli.client import Api, CommandFailed
from control_plane.cli.redacting import redact
from control_plane.cli.state import state_of

MOST: Final = 500
"""Newest items of each list."""
_STEP: Final = ("name", "state", "attempts", "reason", "started_at", "finished_at")
_OPERATION: Final = (
    "id",
    "tenant",
    "kind",
    "state",
    "reason",
    "error_code",
    "error_class",
    "attempts",
    "deadline",
    "next_attempt_at",
    "revision",
    "created_at",
    "started_at",
    "finished_at",
)


@dataclass(frozen=True, slots=True)
class Source:
    file: str
    path: str
    members: tuple[str, ...]
    inner: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Lists inside of an item, with their own members."""


SOURCES: Final = (
    Source("ready.json", "/health/ready", ("status", "release")),
    Source(
        "stuck.json", "/v1/stuck", ("kind", "what", "id", "tenant", "state", "reason", "error_class", "since", "age_seconds", "deadline")
    ),
    Source("tenants.json", "/v1/tenants", ("id", "slug", "country", "state", "reason", "created_at")),
    Source("operations.json", "/v1/operations", _OPERATION, (("steps", _STEP),)),
    Source("releases.json", "/v1/releases", ("id", "core_version", "registered_at", "channel", "yanked", "modules")),
    Source("webhooks.json", "/v1/webhooks", ("id", "events", "state", "reason", "failures", "succeeded_at", "failed_at")),
    Source("mails.json", "/v1/mails", ("id", "template", "state", "reason", "attempts", "next_attempt_at", "created_at", "sent_at")),
    Source("audit.json", "/v1/audit", ("position", "at", "action", "tenant_id")),
)


def support_bundle(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", help="The file to write.")] = Path("dentalpin-support.zip"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a file for whoever helps you: states, reasons and versions, without secrets and without anything of patients or owners."""
    state = state_of(context)
    written = write_bundle(state.api, output)
    if state.as_json or as_json:
        typer.echo(json.dumps({"file": str(output), "contents": written}))
    else:
        typer.echo(f"{output}: {', '.join(written)}. Look into it before you send it; it is plain JSON.")


def write_bundle(api: Api, output: Path) -> list[str]:
    """Ask for everything and write it; what cannot be had says why. The names of the files inside."""
    contents: dict[str, Any] = {"versions.json": {"dentalpin": version("dentalpin-core"), "python": machine.python_version()}}
    for source in SOURCES:
        try:
            contents[source.file] = _collected(api, source)
        except CommandFailed as refused:
            contents[source.file] = {"not_available": redact(str(refused))}
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in contents.items():
            bundle.writestr(name, json.dumps(content, ensure_ascii=False, indent=1))
    output.chmod(0o600)
    return list(contents)


def _collected(api: Api, source: Source) -> Any:
    found = api.call("GET", source.path, None)
    if "items" not in found:
        return _picked(found, source)
    items = list(found["items"])
    while found.get("next") is not None and len(items) < MOST:
        found = api.call("GET", source.path, None, after=found["next"])
        items += found["items"]
    return [_picked(item, source) for item in items[:MOST]]


def _picked(item: dict[str, Any], source: Source) -> dict[str, Any]:
    picked = {name: redact(item[name]) if name == "reason" else item[name] for name in source.members if name in item}
    for name, members in source.inner:
        rows = item.get(name, [])
        picked[name] = [{member: redact(row[member]) for member in members if member in row} for row in rows]
    return picked
