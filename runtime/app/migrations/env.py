"""What the `alembic` command runs. Connects as the owner: `-x url=…`, else OWNER_DATABASE_URL, else DATABASE_URL (or their _FILE)."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.migrations.authoring import Authoring, database_url

authoring = Authoring(context.config)


def run_on(connection: Connection) -> None:
    context.configure(connection=connection, **authoring.options(connection))
    authoring.guard(context.get_context())
    with context.begin_transaction():
        context.run_migrations()
        authoring.isolate(connection)


async def run_online() -> None:
    engine = create_async_engine(database_url(context.get_x_argument(as_dictionary=True)), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run_on)
            await connection.commit()
    finally:
        await engine.dispose()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, target_metadata=authoring.metadata)
    authoring.guard(context.get_context())
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(run_online())
