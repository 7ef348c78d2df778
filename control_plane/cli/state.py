"""What every command shares: the API it speaks to, and whether it prints JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import typer

from control_plane.cli.client import Api


@dataclass(frozen=True)
class State:
    connect: Callable[[], Api]
    as_json: bool

    @cached_property
    def api(self) -> Api:
        """Found when a command first needs it: `--help` works without a platform."""
        return self.connect()


def state_of(context: typer.Context) -> State:
    found = context.find_object(State)
    assert found is not None  # the callback of the application sets it
    return found
