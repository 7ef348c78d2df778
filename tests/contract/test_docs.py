"""Documents name only what exists: links, paths, Python names, commands with their options, variables, routes."""

import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = "docs|tests|runtime|modules|control_plane|examples|requirements|bin|\\.ci|\\.github"
DOCUMENTS = sorted(
    {
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "modules").glob("*/*.md"),
        *(ROOT / "examples").glob("*/*.md"),
        *(ROOT / "tests/fixtures").glob("*/*.md"),
    }
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ *```[a-z]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(rf"^(?:{FOLDERS})/[\w./<>*-]+$")
DOTTED = re.compile(r"^(?:app|control_plane|dentalpin_kit)(?:\.\w+)+$")
VARIABLE = re.compile(r"\bDENTALPIN_[A-Z_]+\b")
ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/(?:api/)?v1/[^\s`?'\",]*)")
PROGRAM = re.compile(r"^(?:\./dev|(?:bin/)?dentalpin(?:-cloud)?)$")
NOT_YET = {"app.core.agents"}
"""Names that documents mention in order to say that they do not exist yet."""
UNLISTED = {
    ("GET", "/api/v1/modules/-/attestation"),
    ("GET", "/api/v1/-/idle-slots"),
    *((method, "/api/v1/-/support/{}") for method in ("PUT", "GET", "DELETE")),
    ("POST", "/api/v1/-/invitation"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/v1/docs"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/session/oidc"),
    ("GET", "/v1/session/oidc/return"),
}


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request) -> Path:
    return request.param


def words(text: str) -> list[str]:
    """Inline code outside fenced blocks."""
    return INLINE.findall(FENCE.sub("", text))


def anchors(path: Path) -> set[str]:
    """The fragments a Markdown viewer gives to headings."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere(document):
    lost = []
    for link in LINK.findall(FENCE.sub("", document.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, fragment = link.partition("#")
        file = (document.parent / target).resolve() if target else document
        if not file.exists() or (fragment and fragment not in anchors(file)):
            lost.append(link)
    assert lost == []


def test_every_path_exists(document):
    lost = []
    for word in words(document.read_text()):
        if PATH.match(word):
            pattern = re.sub(r"<[^>]+>", "*", word).rstrip("/")
            if not any(True for _ in ROOT.glob(pattern)):
                lost.append(word)
    assert lost == []


def test_every_python_name_exists(document):
    assert [word for word in words(document.read_text()) if DOTTED.match(word) and word not in NOT_YET and not resolves(word)] == []


def resolves(name: str) -> bool:
    """Whether it is a module, or something inside one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        module = ".".join(parts[:cut])
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            continue
        if found is None:
            continue
        rest = parts[cut:]
        if not rest:
            return True
        value = importlib.import_module(module)
        return all((value := getattr(value, part, None)) is not None for part in rest)
    return False


def commands(text: str) -> Iterator[list[str]]:
    """Every command line of ours, in fenced blocks and in inline code."""
    lines = [line for block in FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *words(text)]:
        try:
            parts = shlex.split(line.split("|")[0], comments=True)
        except ValueError:
            continue
        while parts and re.fullmatch(r"[A-Z_]+=\S*", parts[0]):
            parts = parts[1:]
        if parts and PROGRAM.match(parts[0]):
            yield [part for part in parts if part != "…"]


def test_every_command_exists(document):
    wrong = [" ".join(parts) for parts in commands(document.read_text()) if not accepted(parts)]
    assert wrong == []


def accepted(parts: list[str]) -> bool:
    program, *rest = parts
    if program == "./dev":
        return not rest or dev_accepts(rest)
    if program.startswith("bin/"):
        rest = without_places(rest)
    return click_accepts(click_command(program.removeprefix("bin/")), rest)


def without_places(rest: list[str]) -> list[str]:
    """bin/… takes where the platform is itself, before what it passes on."""
    while rest[:1] and rest[0] in {"--data", "--tenant"}:
        rest = rest[2:]
    return rest


def dev_accepts(rest: list[str]) -> bool:
    usage = (ROOT / "dev").read_text().partition("<<'TEXT'")[2].partition("\nTEXT")[0]
    block = re.search(rf"^  {re.escape(rest[0])}\b.*\n(?:   .*\n)*", usage, re.MULTILINE)
    if rest[0] in {"COMMAND", "help"}:
        return True
    return block is not None and all(option in block.group() for option in rest[1:] if option.startswith("--"))


@cache
def click_command(program: str):
    import typer

    if program == "dentalpin":
        from app.cli.commands import app
    else:
        from control_plane.cli.main import app
    return typer.main.get_command(app)


def click_accepts(command, rest: list[str]) -> bool:
    context = command.make_context("here", [], resilient_parsing=True)
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    commands = getattr(command, "list_commands", lambda context: None)(context)
    taking = {option for parameter in command.params if not getattr(parameter, "is_flag", True) for option in parameter.opts}
    while rest:
        word, *rest = rest
        if word.startswith("--"):
            if word.partition("=")[0] not in known:
                return False
            rest = rest[1:] if word in taking else rest
        elif commands is not None:
            return word in commands and click_accepts(command.get_command(context, word), rest)
    return True


@cache
def known_variables() -> set[str]:
    from app.config import Settings as RuntimeSettings
    from control_plane.config import Settings as PlatformSettings

    found = {f"DENTALPIN_{name.upper()}" for kind in (RuntimeSettings, PlatformSettings) for name in kind.model_fields}
    for file in [ROOT / "dev", *(path for folder in ("runtime", "control_plane", "tests") for path in (ROOT / folder).rglob("*.py"))]:
        if file != Path(__file__):
            found |= set(VARIABLE.findall(file.read_text()))
    return found


def test_every_variable_is_read_somewhere(document):
    assert sorted(set(VARIABLE.findall(document.read_text())) - known_variables()) == []


@cache
def known_routes() -> set[tuple[str, str]]:
    listed = ROUTE.findall((ROOT / "docs/reference/api.md").read_text())
    return {(method, shape(path)) for method, path in listed} | UNLISTED


def shape(path: str) -> str:
    """A route with its parameters left out, written as `{slug}` or, in what people type, as `SLUG`."""
    return re.sub(r"\{\w+\}|(?<=/)[A-Z]+(?=/|\?|$)", "{}", path.rstrip("./)"))


def test_every_route_exists(document):
    named = ROUTE.findall(document.read_text())
    unknown = [f"{method} {path}" for method, path in named if (method, shape(path)) not in known_routes()]
    # Routes of community modules, and an example's own values, are not in the reference.
    assert [route for route in unknown if not re.search(r"/api/v1/(inventory|sample_module)|/compliance/ES", route)] == []
