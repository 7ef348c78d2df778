"""What every command shares: the API it speaks to, and whether it prints JSON."""

from dataclasses import dataclass

import typer

from control_plane.cli.client import Api


@dataclass(frozen=True)
class State:
    api: Api
    as_json: bool


def state_of(context: typer.Context) -> State:
    found = context.find_object(State)
    assert found is not None  # the callback of the application sets it
    return found
