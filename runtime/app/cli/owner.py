"""What the commands of a runtime's operators share: the owner's connection, how they end, how they print.

Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 a module is not as asked, 4 unknown module.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app.config import Settings
from app.core.plugins.errors import PluginError
from app.core.plugins.operation_log import describe
from app.core.runtime.settings import read_settings
from app.database import sqlalchemy_url
from dentalpin_kit.logs import scrub
from dentalpin_kit.problems import DomainError

NOT_AS_ASKED = 3
RESTART_HINT = "Restart required: run `dentalpin modules restart`, or restart the service."
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
T = TypeVar("T")


@asynccontextmanager
async def owner_connection() -> AsyncIterator[AsyncConnection]:
    """One transaction of the owner, rolled back unless committed."""
    engine = create_async_engine(sqlalchemy_url(owner_url(read_settings())), poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def owner_url(settings: Settings) -> str:
    """Ends the command with status 2 if there is none."""
    url: SecretStr | None = settings.owner_database_url
    if url is None:
        typer.echo("OWNER_DATABASE_URL (or OWNER_DATABASE_URL_FILE) is not set: give the role that owns the clinic's tables.", err=True)
        raise typer.Exit(2)
    return url.get_secret_value()


def run(work: Callable[[], Coroutine[Any, Any, T]], as_json: bool) -> T:
    """What `work` returns; a refusal or a failure ends the command with one line that says what to do."""
    try:
        return asyncio.run(work())
    except DomainError as error:
        fail(error.message, error.code, error.exit_code if isinstance(error, PluginError) else 1, as_json)
    except OSError as error:
        fail(f"The database cannot be reached: {error}. Check OWNER_DATABASE_URL and the server.", "database_unreachable", 1, as_json)
    except SQLAlchemyError as error:
        hint = "If this database was never started, run `dentalpin modules process` first."
        fail(f"The database answered: {describe(error)}. {hint}", "database_error", 1, as_json)


def fail(message: str, code: str, status: int, as_json: bool) -> NoReturn:
    message = scrub(message)
    if as_json:
        print_json({"data": None, "message": message, "errors": [{"code": code}]})
    else:
        typer.echo(f"{message} [{code}]", err=True)
    raise typer.Exit(status)


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else getattr(value, "isoformat", lambda: str(value))()
