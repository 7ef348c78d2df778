"""The guide's Alembic commands, for a module that lives outside the repository."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.packages import table

MODELS = """
import uuid
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column
from app.database import Base

class Item(Base):
    __tablename__ = "stock_items"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    clinic_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clinics.id"), index=True)
    code: Mapped[str] = mapped_column(String(50))
"""
GET_MODELS = """
def get_models(self):
    from .models import Item
    return [Item]
"""


@pytest.fixture
def alembic(runtime, site, tmp_path):
    """Runs `alembic` in a folder of the author's, with a configuration of two settings."""
    folder = tmp_path / "author"
    folder.mkdir()
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = app.migrations:.\npath_separator = os\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "OWNER_"))},
            "OWNER_DATABASE_URL": runtime.database.owner_url,
            "PYTHONPATH": os.pathsep.join(str(path) for path in site.folder.iterdir()),
        }
        return subprocess.run(
            [sys.executable, "-m", "alembic", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run


async def test_the_printed_command_makes_a_first_revision_that_installs(alembic, runtime, site):
    stock = site.add("stock", body=GET_MODELS).file("models.py", MODELS)
    assert alembic("upgrade", "heads").returncode == 0
    versions = stock.path / "migrations" / "versions"
    versions.mkdir(parents=True)

    place = ["--version-path", str(versions), "--branch-label", "stock", "--head", "0001"]
    made = alembic("revision", "--autogenerate", "-m", "initial stock schema", *place)

    assert made.returncode == 0, made.stderr
    text = next(versions.glob("*.py")).read_text()
    assert "create_table('stock_items'" in text
    assert text.count("create_table") == 1
    assert "drop_table" not in text.split("def downgrade")[0]
    assert "stock" in alembic("heads").stdout
    assert (await runtime.install("stock")).ok


async def test_history_and_heads_find_modules_through_their_entry_points(alembic, site):
    site.add("stock").with_table("stock_items")

    assert "stock_0001 (stock) (head)" in alembic("heads").stdout
    assert "0001 -> stock_0001" in alembic("history").stdout


async def test_what_alembic_migrated_by_hand_can_be_installed_and_removed(alembic, runtime, site):
    site.add("stock").with_table("stock_items", 'sa.Column("code", sa.String(20))').seeds("[]")

    assert alembic("upgrade", "stock@head").returncode == 0
    assert await runtime.sql.fetchval("SELECT relrowsecurity FROM pg_class WHERE relname = 'stock_items'")
    assert (await runtime.install("stock")).ok
    assert (await runtime.uninstall("stock")).ok
    assert "stock_items" not in await runtime.tables()


async def test_base_of_a_branch_is_refused_because_it_walks_down_everybody(alembic, runtime, site):
    site.add("stock").with_table("stock_items")
    site.add("other").with_table("other_items")
    assert alembic("upgrade", "heads").returncode == 0

    refused = alembic("downgrade", "stock@base")

    assert refused.returncode != 0
    assert "alembic downgrade stock@-N" in refused.stdout + refused.stderr
    assert {"stock_items", "other_items", "clinics"} <= await runtime.tables()


async def test_steps_down_that_stay_on_the_branch_are_taken(alembic, runtime, site):
    site.add("stock").with_table("stock_items")
    site.add("other").with_table("other_items")
    assert alembic("upgrade", "heads").returncode == 0

    taken = alembic("downgrade", "stock@-1")

    assert taken.returncode == 0, taken.stderr
    assert "stock_items" not in await runtime.tables()
    assert "other_items" in await runtime.tables()


async def test_counting_beyond_the_branch_is_refused(alembic, runtime, site):
    site.add("stock").with_table("stock_items")
    assert alembic("upgrade", "heads").returncode == 0

    refused = alembic("downgrade", "stock@-2")

    assert refused.returncode != 0
    assert {"stock_items", "clinics"} <= await runtime.tables()


async def test_a_branch_needed_as_a_whole_runs_first(alembic, runtime, site):
    site.add("aaa", depends=["catalog"]).revision(
        "aaa_0001", table("aaa", 'sa.Column("entry", sa.Uuid, sa.ForeignKey("catalog_entries.id"))'), depends=("catalog@head",)
    )
    site.add("catalog").with_table("catalog").revision("catalog_0002", table("catalog_entries"), down="catalog_0001")

    upgraded = alembic("upgrade", "heads")

    assert upgraded.returncode == 0, upgraded.stderr
    assert "aaa" in await runtime.tables()


def test_the_repository_has_the_configuration_where_the_guide_runs_it():
    runtime_folder = Path(__file__).parents[3] / "runtime"
    done = subprocess.run([sys.executable, "-m", "alembic", "heads"], cwd=runtime_folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "patients" in done.stdout
