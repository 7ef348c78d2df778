"""`python -m control_plane.embedded COMMAND`: what `./dev` calls. See `./dev help`."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from control_plane.embedded import commands
from control_plane.embedded.layout import ROOT, EmbeddedError, Layout, Options

PROGRAMS = {"clinic": "dentalpin", "cloud": "dentalpin-cloud"}


def default_data() -> str:
    return os.environ.get("DENTALPIN_DATA", str(ROOT / "var"))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./dev", allow_abbrev=False)
    subcommands = top.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", default=default_data(), help="where everything is kept (./var)")

    up = subcommands.add_parser("up", parents=[common], help="start DentalPin here; stop it with Ctrl-C")
    up.add_argument("--detach", action="store_true", help="return when it is ready and leave it running")
    up.add_argument("--host", default=os.environ.get("DENTALPIN_HOST", "127.0.0.1"), help="listen on this address (127.0.0.1)")
    up.add_argument("--demo", action="store_true", help="with a Spanish clinic that has something to look at")
    up.add_argument(
        "--simulated-cluster", action="store_true", help="set clinics up in a simulated Kubernetes cluster; nothing runs in its pods"
    )
    up.add_argument("--runtime-env", type=Path, help="run clinics in this Python environment")
    up.add_argument("--report-to", type=int, help=argparse.SUPPRESS)

    subcommands.add_parser("down", parents=[common], help="stop what `up --detach` left running")
    status = subcommands.add_parser("status", parents=[common], help="addresses, key file, folders, processes")
    status.add_argument("--json", action="store_true")
    key = subcommands.add_parser("key", parents=[common], help="make another operator key")
    key.add_argument("--name", default="made by ./dev key")
    return top


def passing_on(command: str) -> argparse.ArgumentParser:
    """For the commands that become another program: what they do not know goes to that program as it is."""
    found = argparse.ArgumentParser(prog=f"bin/{PROGRAMS[command]}", add_help=False, allow_abbrev=False)
    found.add_argument("--data", default=default_data())
    if command == "clinic":
        found.add_argument("--tenant", help="the clinic's slug")
    return found


def main(arguments: list[str]) -> int:
    try:
        if arguments[:1] and arguments[0] in PROGRAMS:
            known, rest = passing_on(arguments[0]).parse_known_args(arguments[1:])
            become(arguments[0], Layout.of(known.data), known, rest)
        asked = parser().parse_args(arguments)
        return run(asked, Layout.of(asked.data), arguments)
    except EmbeddedError as error:
        print(f"{error}", file=sys.stderr)
        return 1


def become(command: str, layout: Layout, known: argparse.Namespace, rest: list[str]) -> NoReturn:
    if command == "clinic":
        commands.clinic(layout, known.tenant, rest)
    commands.cloud(layout, rest)


def run(asked: argparse.Namespace, layout: Layout, arguments: list[str]) -> int:
    match asked.command:
        case "up":
            given = asked.runtime_env.absolute() if asked.runtime_env else None
            if asked.demo and asked.simulated_cluster:
                raise EmbeddedError("The demo clinic needs a runtime, and in a simulated cluster none runs: leave one of the two out.")
            options = Options(layout.data, asked.host, os.environ.get("PUBLIC_URL"), given, asked.demo, asked.simulated_cluster)
            if asked.report_to is not None:
                return commands.up_reporting(options, asked.report_to)
            if asked.detach:
                return commands.up_detached(options, [argument for argument in arguments[1:] if argument != "--detach"])
            return commands.up(options)
        case "down":
            commands.down(layout)
        case "status" if asked.json:
            print(json.dumps(commands.status(layout), indent=1))
        case "status":
            commands.show_status(layout)
        case "key":
            print(commands.make_key(layout, asked.name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
