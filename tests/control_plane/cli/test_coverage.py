"""Every route has a command, or is listed with the reason why not; and a command made from a description does what it says."""

import json

import pytest
from typer.testing import CliRunner

from control_plane.cli import coverage
from control_plane.cli.main import GENERATED, app
from control_plane.cli.routes import Field, routes
from tests.control_plane.cli.test_commands import CREATE, cloud

__all__ = ["cloud"]

RUN = CliRunner()


def test_every_route_has_a_command_or_a_reason():
    described = {route.id for route in routes()}
    without = {route.id for route in routes() if coverage.reason_without(route.path) is not None}
    assert described == GENERATED.keys() | coverage.BY_HAND.keys() | without
    assert not GENERATED.keys() & coverage.BY_HAND.keys()


@pytest.mark.parametrize("command", sorted({*GENERATED.values(), *coverage.BY_HAND.values()}))
def test_every_command_there_should_be_explains_itself(command):
    shown = RUN.invoke(app, [*command.split(), "--help"], prog_name="dentalpin-cloud")
    assert shown.exit_code == 0, shown.output
    assert "--json" in shown.output or command == "audit export"


def test_no_two_routes_share_a_command():
    commands = [*GENERATED.values(), *coverage.BY_HAND.values()]
    assert len(commands) == len(set(commands))


async def test_a_webhook_by_command_line(cloud):
    made = await cloud(
        "--json", "webhooks", "create", "--url", "https://93.184.216.34/", "--events", "tenant.created", "--contact", "a@b.example"
    )
    webhook = json.loads(made[1])
    assert webhook["events"] == ["tenant.created"]
    changed = await cloud("webhooks", "change", webhook["id"], "--body", '{"description": "ours", "language": "en"}', "--language", "es")
    assert "language: es" in changed[1]
    assert "description: ours" in changed[1]

    listed = await cloud("webhooks", "list", "--state", "enabled")
    assert listed[1].splitlines()[0].split()[:2] == ["ID", "URL"]
    assert (await cloud("webhooks", "remove", webhook["id"]))[0] == 0
    assert (await cloud("webhooks", "list"))[1] == "None.\n"
    status, _, complained = await cloud("webhooks", "get", webhook["id"])
    assert (status, complained.startswith("There is no webhook")) == (1, True)


async def test_lists_are_followed_to_their_end_or_to_the_limit(cloud):
    for slug in ("sol", "luna", "mar"):
        await cloud("tenants", "create", slug, "--slug", slug, "--country", "ES", "--owner-email", "a@b.example")
    everything = json.loads((await cloud("operations", "list-all", "--json"))[1])
    first = json.loads((await cloud("operations", "list-all", "--limit", "2", "--json"))[1])
    assert (len(everything["items"]), everything["next"]) == (3, None)
    assert [one["tenant"] for one in first["items"]] == ["mar", "luna"]


async def test_a_body_that_cannot_be_read_is_refused_before_anything_is_sent(cloud, tmp_path):
    for body in ("{", "[]", f"@{tmp_path / 'none'}"):
        status, _, complained = await cloud("webhooks", "create", "--body", body)
        assert (status, complained.startswith("--body")) == (1, True)


async def test_an_operation_that_was_begun_is_named(cloud):
    created = json.loads((await cloud("--json", *CREATE))[1])
    _, shown, _ = await cloud("tenants", "list-operations", "sol", "--kind", "provision")
    assert created["operation"]["id"] in shown


def test_completion_is_offered_for_the_shells_people_use():
    for shell in ("bash", "zsh", "fish"):
        shown = RUN.invoke(app, ["--help"], prog_name="dentalpin-cloud", env={"_DENTALPIN_CLOUD_COMPLETE": f"source_{shell}"})
        assert "dentalpin-cloud" in shown.output
    words = {"_DENTALPIN_CLOUD_COMPLETE": "complete_bash", "COMP_WORDS": "dentalpin-cloud webh", "COMP_CWORD": "1"}
    assert "webhooks" in RUN.invoke(app, [], prog_name="dentalpin-cloud", env=words).output


def test_a_route_says_what_it_takes():
    made = next(route for route in routes() if route.id == "POST /v1/webhooks")
    assert (made.group, made.name, made.answers, made.pages) == ("webhooks", "create", "json", False)
    assert Field("contact", "text", "Gets a mail when the webhook is disabled for its failures.") in made.body
    assert next(field.kind for field in made.body if field.name == "events") == "list"
