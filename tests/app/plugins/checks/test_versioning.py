"""The guide's rules for versions (§8), against a tag, a commit, the history, and surface.json alone."""

import pytest

from app.core.plugins.checks.surface import Step, needed, stepped

NEW_ROUTE = '\n@router.get("/lots")\nasync def list_lots(ctx: Clinic, _: MayRead) -> list[str]:\n    return []\n'
REVISION = """
from alembic import op
import sqlalchemy as sa
revision = "{revision}"
down_revision = "{down}"
branch_labels = {labels}
depends_on = None

def upgrade() -> None:
    op.execute("SELECT 1")

def downgrade() -> None:
    pass
"""


@pytest.fixture
def released(author):
    """Version 1.0.0, tagged."""
    author.version("1.0.0").write(
        "migrations/versions/stock_0001.py", REVISION.format(revision="stock_0001", down="0001", labels=("stock",))
    )
    return author.update().commit(tag="v1.0.0")


def add_route(author):
    return author.write("router.py", (author.package / "router.py").read_text() + NEW_ROUTE)


def test_what_is_released_and_unchanged_has_no_issue(released):
    assert released.judge() == []


def test_an_addition_asks_for_a_minor_step(released):
    add_route(released).update()
    [issue] = released.judge()
    assert issue.code == "VERSION_NOT_BUMPED"
    assert "the route GET /lots was added. That is a minor step: make the version 1.1.0 or higher" in issue.message

    released.version("1.0.1").update()
    assert released.codes() == ["VERSION_BUMP_TOO_SMALL"]

    released.version("1.1.0").update()
    assert released.codes() == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"/items"', '"/things"', "the route GET /items is gone"),
        ("page: int = 1", "page: int", "the route GET /items needs query.page"),
        ("page: int = 1", "size: int = 1", "the route GET /items does not take query.page any more"),
        ("page: int = 1", "page: str = ''", "the route GET /items takes query.page as string instead of integer"),
        ("    name: str | None = None\n", "", "the route GET /items does not answer 200[].name any more"),
        ("stock.items.read", "stock.items.write", "the route GET /items asks for stock.items.write too"),
    ],
)
def test_what_breaks_others_asks_for_a_major_step(released, old, new, told):
    released.edit("router.py", old, new).version("1.1.0").update()

    [issue] = released.judge()

    assert issue.code == "VERSION_BUMP_TOO_SMALL"
    assert told in issue.message
    assert "make the version 2.0.0 or higher" in issue.message


def test_a_permission_that_goes_asks_for_a_major_step(released):
    released.version("1.1.0").edit("__init__.py", ', "items.write"', "").update()

    assert "the permission items.write is gone" in released.judge()[0].message


def test_a_new_revision_asks_for_a_minor_step(released):
    released.write("migrations/versions/stock_0002.py", REVISION.format(revision="stock_0002", down="stock_0001", labels=None))
    released.version("1.0.1").update()

    [issue] = released.judge()

    assert issue.code == "VERSION_BUMP_TOO_SMALL"
    assert "the revision stock_0002 was added" in issue.message


def test_a_change_of_code_alone_asks_for_a_patch(released):
    released.edit("router.py", "return []", "return list()").update()
    [issue] = released.judge()
    assert "That is a patch step: make the version 1.0.1 or higher" in issue.message

    released.version("1.0.1").update()
    assert released.codes() == []


def test_a_released_revision_is_neither_edited_nor_removed(released):
    released.edit("migrations/versions/stock_0001.py", "SELECT 1", "SELECT 2").version("1.1.0").update()
    assert released.codes() == ["REVISION_CHANGED"]

    (released.package / "migrations/versions/stock_0001.py").unlink()
    assert released.update().codes() == ["REVISION_REMOVED"]


def test_a_version_never_goes_back(released):
    released.version("0.9.0").update()

    assert "VERSION_WENT_BACK" in released.codes()


def test_a_commit_can_be_named_instead_of_the_release(released):
    add_route(released).version("1.1.0").update().commit()
    before = released.git("rev-parse", "HEAD")
    released.edit("router.py", '"/lots"', '"/batches"').update().commit()

    assert released.codes() == []
    assert released.codes(against=before) == ["VERSION_NOT_BUMPED"]


def test_without_tags_the_last_other_version_of_the_history_counts(author):
    author.version("1.0.0").update().commit()
    add_route(author).version("1.0.1").update().commit()
    assert author.codes() == ["VERSION_BUMP_TOO_SMALL"]

    author.version("1.1.0").update().commit()
    assert author.codes() == []


def test_without_git_what_surface_json_kept_counts(author):
    author.version("1.0.0").update()
    add_route(author).version("1.0.1")

    assert author.codes() == ["SURFACE_STALE", "VERSION_BUMP_TOO_SMALL"]


def test_before_the_first_major_version_a_breaking_change_is_a_minor_step(author):
    author.update().commit(tag="0.1.0")
    author.edit("router.py", '"/items"', '"/things"').version("0.1.1").update()
    assert author.codes() == ["VERSION_BUMP_TOO_SMALL"]

    author.version("0.2.0").update()
    assert author.codes() == []


def test_the_surface_is_kept_and_is_what_the_code_offers(author):
    assert author.codes() == ["SURFACE_MISSING"]

    author.update()
    add_route(author)

    [issue] = author.judge()
    assert issue.code == "SURFACE_STALE"
    assert "the route GET /lots was added" in issue.message


@pytest.mark.parametrize(
    ("changelog", "code"),
    [
        ("## 0.1.0 - 2026-11-22\n", None),
        ("# Changelog\n\n## Unreleased\n\n## 0.1.0 - 2026-11-22\n\n## 0.0.9 - 2026-11-21\n", None),
        ("## 0.1.0\n", "CHANGELOG_HEADING"),
        ("## 0.1.0 - 2026-13-22\n", "CHANGELOG_HEADING"),
        ("## 0.1.0 - 2026-11-22\n## 0.2.0 - 2026-11-21\n", "CHANGELOG_HEADING"),
        ("## 0.0.9 - 2026-11-22\n", "CHANGELOG_ENTRY_MISSING"),
        (None, "CHANGELOG_MISSING"),
    ],
)
def test_the_changelog_begins_with_the_version(author, changelog, code):
    author.update()
    file = author.root / "CHANGELOG.md"
    file.unlink() if changelog is None else file.write_text(changelog)

    assert code in [*author.codes(), *([None] if code is None else [])]
    assert code is not None or author.codes() == []


def test_distribution_and_module_have_one_version(author):
    author.update()
    project = author.root / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', 'version = "0.1.1"'))

    assert author.codes() == ["DISTRIBUTION_VERSION_DIFFERS"]


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("1.0.0", "1.0.0", Step.NONE),
        ("1.0.0", "0.9.0", Step.NONE),
        ("1.0.0", "1.0.1", Step.PATCH),
        ("1.0.1", "1.1.0", Step.MINOR),
        ("1.9.9", "2.0.0", Step.MAJOR),
        ("1.0.0-rc.1", "1.0.0", Step.PATCH),
    ],
)
def test_how_far_a_version_stepped(old, new, step):
    assert stepped(old, new) is step


def test_the_lowest_version_that_makes_a_step():
    assert needed("1.2.3", Step.MAJOR) == (Step.MAJOR, "2.0.0")
    assert needed("1.2.3", Step.MINOR) == (Step.MINOR, "1.3.0")
    assert needed("0.2.3", Step.MAJOR) == (Step.MINOR, "0.3.0")
