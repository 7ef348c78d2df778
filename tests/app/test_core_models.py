"""The models of the core say what its migrations made."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.support.core import as_owner


def test_the_models_of_accounts_and_clinics_are_what_the_migrations_make(core_schema):
    import app.core.auth.models as accounts
    import app.core.clinics.models as clinics
    from app.database import Base

    ours = {kind.__tablename__ for module in (accounts, clinics) for kind in vars(module).values() if hasattr(kind, "__tablename__")}
    differences = []

    def compare(connection):
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_name": lambda name, kind, parents: kind != "table" or name in ours}
        )
        differences.extend(each for each in compare_metadata(context, Base.metadata) if not _of_others(each, ours))

    as_owner(core_schema, compare)
    assert differences == []


def _of_others(difference, ours):
    """Tables of other packages are looked at by their own tests."""
    parts = (difference[0] if isinstance(difference, list) else difference)[1:]
    named = [getattr(part, "name", part) for part in parts] + [getattr(getattr(part, "table", None), "name", None) for part in parts]
    return not any(name in ours for name in named)
