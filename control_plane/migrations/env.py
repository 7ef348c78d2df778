"""Alembic's environment: the caller brings the connection and its transaction (control_plane.migrations.migrate)."""

from alembic import context

from control_plane.migrations.metadata import metadata

connection = context.config.attributes["connection"]
if connection is None:
    raise RuntimeError(
        "run control_plane.migrations.migrate(url), or `python -m control_plane.migrations`; Alembic's own command has no connection here"
    )
context.configure(connection=connection, target_metadata=metadata, compare_server_default=False)
with context.begin_transaction():
    context.run_migrations()
