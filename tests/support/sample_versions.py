"""The sample module in other versions and under other names: what a release brings that another one has not."""

import shutil
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "fixtures" / "sample_module"
_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
{more}

def upgrade() -> None:
    {statement}


def downgrade() -> None:
    pass
"""
ADD_COLOUR = """op.add_column("{table}", sa.Column("colour", sa.String(20), nullable=True))"""


def migration(revision: str, before: str, statement: str, *, more: str = "") -> str:
    """The text of a migration file that runs one statement."""
    return _MIGRATION.format(revision=revision, before=before, statement=statement, more=more)


def sample(folder: Path, version: str, **migrations: str) -> Path:
    """The sample module in another version, with further migrations."""
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for file in (folder / "pyproject.toml", folder / "sample_module" / "__init__.py"):
        file.write_text(file.read_text().replace("0.1.0", version))
    for name, text in migrations.items():
        (folder / "sample_module" / "migrations" / "versions" / f"{name}.py").write_text(text)
    return folder


def fulfilling(folder: Path, obligation: str, version: str, **migrations: str) -> Path:
    """A module `fiscal_module` that fulfils an obligation of the law; it keeps notes in `fiscal_notes`."""
    sample(folder, version, **migrations)
    (folder / "sample_module").rename(folder / "fiscal_module")
    for file in folder.rglob("*"):
        if file.is_file():
            text = file.read_text().replace("sample_", "fiscal_").replace("Sample", "Fiscal").replace("sample-module", "fiscal-module")
            file.write_text(text.replace('"depends": [],', f'"depends": [],\n        "fulfils": ["{obligation}"],'))
            file.rename(file.with_name(file.name.replace("sample_", "fiscal_")))
    return folder
