"""The module guide's code works: its files make a module that installs and passes its tests, and every other block runs or parses."""

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.support.author import Author

GUIDE = Path(__file__).parents[2] / "docs" / "technical" / "creating-modules.md"
BLOCK = re.compile(r"(?:^<!-- file: (?P<file>\S+) -->\n)?^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = list(BLOCK.finditer(GUIDE.read_text()))
FILES = {block["file"]: block["text"] for block in BLOCKS if block["file"]}
FRAGMENTS = [block for block in BLOCKS if not block["file"] and block["language"] in ("python", "toml", "yaml")]
# What a fragment may take for granted: names the tutorial's files have.
GIVEN = """
from typing import Annotated
from uuid import UUID
from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from app.core.auth.dependencies import ClinicContext, get_clinic_context, require_permission
from app.core.plugins import BaseModule, ModuleContext
from app.core.schemas import ApiResponse
from app.database import get_db
router = APIRouter()
"""


def test_the_files_make_a_module_that_passes_its_own_tests_and_the_conformance_suite(tmp_path, postgres):
    author = Author(tmp_path, postgres)
    for file, text in FILES.items():
        author.write(file, text)
    written = len(re.findall(r"^async def test_", FILES["tests/test_orders.py"], re.MULTILINE))

    environment = author.overlay(author.repository)

    done = author.pytest(environment)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) > written, "the conformance suite ran as well"
    for options in (["--update", "--no-wheel"], ["--strict"]):
        checked = author.run(environment, environment / "bin" / "dentalpin", "modules", "check", *options)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("block", FRAGMENTS, ids=lambda block: f"line {GUIDE.read_text()[: block.start()].count(chr(10)) + 1}")
def test_a_fragment_runs(block, monkeypatch):
    match block["language"]:
        case "python":
            # FastAPI looks up annotations where a function was defined.
            module = ModuleType("fragment")
            monkeypatch.setitem(sys.modules, "fragment", module)
            exec(compile(GIVEN + block["text"], GUIDE.name, "exec"), module.__dict__)
        case "toml":
            tomllib.loads(block["text"])
        case _:
            yaml.safe_load(block["text"])
