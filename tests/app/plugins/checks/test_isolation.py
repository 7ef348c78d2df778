"""Foreign keys, tables and imports go into `depends` and nowhere else: a breach of each kind, in a package outside the repository."""

import pytest

from app.core.plugins.checks.isolation import isolation_issues
from app.core.plugins.checks.surroundings import Surroundings
from tests.support.packages import drop, site, table

__all__ = ["site"]

PATIENT = 'sa.Column("patient_id", sa.Uuid, sa.ForeignKey("people.id"))'


@pytest.fixture
def people(site):
    """A module that others may or may not depend on."""
    return site.add("people").with_table("people")


def issues_of(site, name="stock"):
    surroundings = Surroundings(site.discover(), "1.0.0")
    return list(isolation_issues(surroundings.modules[name], surroundings))


def codes(site, name="stock"):
    return [issue.code for issue in issues_of(site, name)]


def test_a_foreign_key_needs_its_module_in_depends(site, people):
    site.add("stock").with_table("stock_items", PATIENT)
    assert codes(site) == ["FK_NOT_IN_DEPENDS"]

    site.add("stock", depends=["people"]).with_table("stock_items", PATIENT)
    assert codes(site) == []


def test_a_foreign_key_in_plain_sql_is_found(site, people):
    sql = """op.execute("ALTER TABLE stock_items ADD COLUMN p uuid REFERENCES public.people (id)")"""
    site.add("stock").with_table("stock_items").revision("stock_0002", sql, down="stock_0001")

    [issue] = issues_of(site)

    assert issue.code == "FK_NOT_IN_DEPENDS"
    assert "stock_0002" in issue.message
    assert "add people to `depends`" in issue.message


def test_a_foreign_key_of_a_later_operation_is_found(site, people):
    up = 'op.create_foreign_key("fk", "stock_items", "people", ["id"], ["id"])'
    site.add("stock").with_table("stock_items").revision("stock_0002", up, down="stock_0001")

    assert codes(site) == ["FK_NOT_IN_DEPENDS"]


def test_a_foreign_key_behind_a_look_at_the_database_is_found(site, people):
    """The rows are not there, so the loop does nothing; the key after it counts."""
    up = [
        'for row in op.get_bind().execute(sa.text("SELECT id FROM stock_items")).fetchall(): pass',
        f'op.add_column("stock_items", {PATIENT})',
    ]
    site.add("stock").with_table("stock_items").revision("stock_0002", *up, down="stock_0001")

    assert codes(site) == ["FK_NOT_IN_DEPENDS"]


def test_a_migration_that_needs_a_database_is_read_instead(site, people):
    up = ["names = sa.inspect(op.get_bind()).get_table_names()", f'op.add_column("stock_items", {PATIENT})']
    site.add("stock").with_table("stock_items").revision("stock_0002", *up, down="stock_0001")

    assert codes(site) == ["MIGRATION_NOT_CHECKABLE", "FK_NOT_IN_DEPENDS"]


def test_a_foreign_key_to_nowhere_and_into_the_cores_own_tables(site):
    columns = [f'sa.Column("{name}", sa.Uuid, sa.ForeignKey("{name}.name"))' for name in ("gone", "core_module", "users")]
    site.add("stock").with_table("stock_items", *columns)

    assert codes(site) == ["FK_TO_CORE_INTERNAL", "FK_TARGET_UNKNOWN"]


@pytest.mark.parametrize(
    "up",
    [
        'op.add_column("people", sa.Column("x", sa.Integer))',
        'op.create_index("ix", "people", ["id"])',
        'op.execute("UPDATE people SET id = id")',
        'op.execute("DROP TABLE people")',
        'op.execute("INSERT INTO users (id) VALUES (gen_random_uuid())")',
    ],
)
def test_tables_of_others_are_left_alone_even_with_depends(site, people, up):
    site.add("stock", depends=["people"]).with_table("stock_items").revision("stock_0002", up, down="stock_0001")

    assert codes(site) == ["FOREIGN_TABLE_TOUCHED"]


def test_two_modules_cannot_make_one_table(site, people):
    site.add("stock").with_table("people")

    assert codes(site) == ["FOREIGN_TABLE_TOUCHED"]


def test_reading_rows_of_another_module_needs_depends(site, people):
    up = 'op.execute("INSERT INTO stock_items (id) SELECT p.id FROM people AS p")'
    site.add("stock").with_table("stock_items").revision("stock_0002", up, down="stock_0001")
    assert codes(site) == ["FOREIGN_TABLE_READ"]

    site.add("stock", depends=["people"]).with_table("stock_items").revision("stock_0002", up, down="stock_0001")
    assert codes(site) == []


def test_what_a_downgrade_forgets_is_told(site):
    site.add("stock").revision("stock_0001", table("stock_items"), table("stock_lots"), downgrade=[drop("stock_lots")])

    [issue] = issues_of(site)

    assert (issue.code, issue.severity) == ("DOWNGRADE_INCOMPLETE", "warning")
    assert "stock_items" in issue.message


def test_a_table_that_was_renamed_is_still_the_modules_own(site):
    up = ['op.rename_table("stock_items", "stock_things")', 'op.execute("UPDATE stock_things SET id = id")']
    package = site.add("stock").with_table("stock_items")
    package.revision("stock_0002", *up, down="stock_0001", downgrade=['op.rename_table("stock_things", "stock_items")'])

    assert codes(site) == []


MODEL = """
import uuid
from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    metadata = MetaData()

class Item(Base):
    __tablename__ = "stock_items"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id"))
"""
GET_MODELS = "def get_models(self):\n    from .models import Item\n    return [Item]\n"


def test_the_models_are_looked_at_too(site, people):
    site.add("stock", body=GET_MODELS).file("models.py", MODEL).with_table("stock_things")

    assert codes(site) == ["TABLE_NOT_MIGRATED", "FK_NOT_IN_DEPENDS"]


@pytest.mark.parametrize(
    "line",
    [
        "import dp_people",
        "from dp_people.service import search",
        "def late():\n    from dp_people import service",
        "import importlib\nservice = importlib.import_module('dp_people.service')",
        "from importlib import import_module\nservice = import_module('dp_people.service')",
        "import importlib\ndef part(name): return importlib.import_module(f'dp_people.{name}')",
        "service = __import__('dp_people.service')",
        "import pkgutil\nservice = pkgutil.resolve_name('dp_people.service:search')",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dp_people.models import Person",
    ],
)
def test_an_import_needs_its_module_in_depends(site, people, line):
    site.add("stock").file("service.py", line)
    assert codes(site) == ["IMPORT_NOT_IN_DEPENDS"]

    site.add("stock", depends=["people"]).file("service.py", line)
    assert codes(site) == []


def test_an_official_module_that_is_not_there_is_told_by_its_name(site):
    site.add("stock").file("service.py", "from app.modules.catalog.service import prices")

    [issue] = issues_of(site)

    assert issue.code == "IMPORT_NOT_IN_DEPENDS"
    assert "dp_stock/service.py:1 imports app.modules.catalog.service of catalog" in issue.message


@pytest.mark.parametrize("line", ["import dentalpin_kit.locks", "from app.config import Settings", "from control_plane import clock"])
def test_only_the_contract_of_the_core_may_be_imported(site, line):
    site.add("stock").file("service.py", line)

    assert codes(site) == ["IMPORT_NOT_OF_CONTRACT"]


def test_an_import_by_a_name_nobody_can_know_is_a_warning(site):
    site.add("stock").file("service.py", "from importlib import import_module\ndef load(name): return import_module(name)")

    assert [(issue.code, issue.severity) for issue in issues_of(site)] == [("IMPORT_NOT_CHECKABLE", "warning")]


@pytest.mark.parametrize("line", ["from . import models", "from .models import x", "from app.core.events import event_bus", "import re"])
def test_what_a_module_may_import(site, line):
    site.add("stock").file("service.py", line)

    assert codes(site) == []


def test_a_file_that_does_not_parse_is_named(site):
    site.add("stock").file("service.py", "def broken(:")

    assert codes(site) == ["SOURCE_UNREADABLE"]


def test_tests_of_a_module_may_import_what_they_like(site, people):
    site.add("stock").file("tests/test_x.py", "import dp_people")

    assert codes(site) == []
