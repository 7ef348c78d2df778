"""`dentalpin`: one command for the operators of a runtime. What a command needs is imported when it runs.

`serve` does not even load the command-line library: a clinic's process is woken by its first visitor, who waits for it.
"""

import sys


def main() -> int:
    """Entry point of the `dentalpin` script; the exit status."""
    arguments = sys.argv[1:]
    if arguments == ["serve"]:
        from app.serve import main as serve

        return serve()
    return _command_line(arguments)


def _command_line(arguments: list[str]) -> int:
    from app.cli.commands import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
