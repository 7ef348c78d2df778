"""`python -m control_plane.embedded COMMAND`: what `./dev` calls. See `./dev help`."""

import argparse
import json
import os
import sys
from pathlib import Path

from control_plane.embedded import commands
from control_plane.embedded.layout import ROOT, EmbeddedError, Layout, Options


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="./dev", allow_abbrev=False)
    subcommands = top.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", default=os.environ.get("DENTALPIN_DATA", str(ROOT / "var")), help="where everything is kept (./var)")

    up = subcommands.add_parser("up", parents=[common], help="start DentalPin here; stop it with Ctrl-C")
    up.add_argument("--detach", action="store_true", help="return when it is ready and leave it running")
    up.add_argument("--host", default=os.environ.get("DENTALPIN_HOST", "127.0.0.1"), help="listen on this address (127.0.0.1)")
    up.add_argument("--demo", action="store_true", help="with a Spanish clinic that has something to look at")
    up.add_argument("--runtime-env", type=Path, help="run clinics in this Python environment")
    up.add_argument("--report-to", type=int, help=argparse.SUPPRESS)

    subcommands.add_parser("down", parents=[common], help="stop what `up --detach` left running")
    status = subcommands.add_parser("status", parents=[common], help="addresses, key file, folders, processes")
    status.add_argument("--json", action="store_true")
    key = subcommands.add_parser("key", parents=[common], help="make another operator key")
    key.add_argument("--name", default="made by ./dev key")
    clinic = subcommands.add_parser("clinic", parents=[common], prog="bin/dentalpin", add_help=False)
    clinic.add_argument("--tenant", help="the clinic's slug")
    clinic.add_argument("arguments", nargs=argparse.REMAINDER)
    cloud = subcommands.add_parser("cloud", parents=[common], prog="bin/dentalpin-cloud", add_help=False)
    cloud.add_argument("arguments", nargs=argparse.REMAINDER)
    return top


def main(arguments: list[str]) -> int:
    asked = parser().parse_args(arguments)
    layout = Layout.of(asked.data)
    try:
        return run(asked, layout, arguments)
    except EmbeddedError as error:
        print(f"{error}", file=sys.stderr)
        return 1


def run(asked: argparse.Namespace, layout: Layout, arguments: list[str]) -> int:
    match asked.command:
        case "up":
            given = asked.runtime_env.absolute() if asked.runtime_env else None
            options = Options(layout.data, asked.host, os.environ.get("PUBLIC_URL"), given, asked.demo)
            if asked.report_to is not None:
                return commands.up_reporting(options, asked.report_to)
            if asked.detach:
                return commands.up_detached(options, [argument for argument in arguments[1:] if argument != "--detach"])
            commands.up(options)
        case "down":
            commands.down(layout)
        case "status" if asked.json:
            print(json.dumps(commands.status(layout), indent=1))
        case "status":
            commands.show_status(layout)
        case "key":
            print(commands.make_key(layout, asked.name))
        case "clinic":
            commands.clinic(layout, asked.tenant, asked.arguments)
        case "cloud":
            commands.cloud(layout, asked.arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
