"""The session boundary: every statement of a request, handler, hook or job runs inside a unit of work opened here.

A unit of work is one transaction. The ASGI layer in `app.core.requests` opens one per request and commits it before the answer starts;
handlers and jobs open theirs with `unit_of_work`. Code below the boundary takes the session from `get_db` and never commits.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
from sqlalchemy import Connection, MetaData, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction

from dentalpin_kit.problems import TemporaryError

if TYPE_CHECKING:
    from app.config import Settings

logger = logging.getLogger(__name__)

CLINIC = "clinic_id"
"""Key in `session.info` under which the clinic of the transaction stands."""

READING = "reading"
"""Key in `session.info` of a session whose transactions cannot write."""

_READ_ONLY = text("SET TRANSACTION READ ONLY")
_SET_CLINIC = text("SELECT set_config('app.clinic_id', :clinic, true)")

POOLED = "pooled"
"""Key in `session.info` of a session whose transactions may each be another server connection."""


class Base(DeclarativeBase):
    """The declarative base of the core and of every module."""

    # Constraints a model leaves unnamed get the names autogenerate can find again.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class NoUnitOfWork(RuntimeError):
    """Something needs the current transaction and there is none."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs a unit of work. Requests, event handlers and lifecycle hooks have one; "
            "elsewhere open one: `async with app.database.unit_of_work(clinic_id) as session:`"
        )


class DatabaseUnavailable(TemporaryError):
    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("The clinic's database cannot be reached; try again in a moment.")


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy's asyncpg dialect; takes libpq URLs, also with a socket directory or `sslmode`."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    if "sslmode" in parsed.query:
        # asyncpg's keyword takes libpq's values under another name.
        parsed = parsed.update_query_dict({"ssl": parsed.query["sslmode"]}).difference_update_query(["sslmode"])
    return parsed.render_as_string(hide_password=False)


class _ClinicSession(Session):
    """Sets the clinic at the begin of each transaction, so that row-level security holds after a rollback too, and whether it may write."""


@event.listens_for(_ClinicSession, "after_begin")
def _set_clinic_at_begin(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if session.info.get(READING) and not transaction.nested:
        connection.execute(_READ_ONLY)
    clinic_id = session.info.get(CLINIC)
    if session.info.get(POOLED) and not transaction.nested:
        connection.execute(_SET_TRANSACTION, {"clinic": "" if clinic_id is None else str(clinic_id)})
    elif clinic_id is not None and not transaction.nested:
        connection.execute(_SET_CLINIC, {"clinic": str(clinic_id)})


class UnitSession(AsyncSession):
    """The session of a unit of work.

    `commit` only flushes: the unit commits once, at its end, so that an error later in the request takes everything back and an event's
    delivery is marked in the transaction that did its work.
    """

    sync_session_class = _ClinicSession

    async def commit(self) -> None:
        logger.warning("session.commit() inside a unit of work only flushes; the core commits when the request or handler ends")
        await self.flush()

    async def commit_unit(self) -> None:
        await super().commit()


_reading: ContextVar[bool] = ContextVar("reading", default=False)


@contextmanager
def reading_only() -> Iterator[None]:
    """In this block, and in the tasks it starts, every transaction that is begun cannot write: that of the unit at hand too."""
    unit = current_unit()
    if unit is not None:
        unit.session.info[READING] = True
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


class UnitOfWork:
    """One transaction with what has to happen once it is durable."""

    def __init__(self, session: AsyncSession, clinic_id: UUID | None = None, database: "Database | None" = None) -> None:
        self.session = session
        self.database = database
        if clinic_id is not None:
            session.info[CLINIC] = clinic_id
        if _reading.get():
            session.info[READING] = True
        self._callbacks: list[Callable[[], object]] = []
        self.finished = False

    @property
    def clinic_id(self) -> UUID | None:
        """The clinic whose rows this transaction may see; None sees those of no clinic."""
        clinic_id: UUID | None = self.session.info.get(CLINIC)
        return clinic_id

    def after_commit(self, callback: Callable[[], object]) -> None:
        """Call `callback` right after the commit; never if the unit is rolled back. It must be quick and not await."""
        self._callbacks.append(callback)

    def committed(self) -> None:
        """Run the callbacks. Called by whoever commits; once the data is durable a failing callback is logged, not raised."""
        self.finished = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                logger.exception("a callback after commit failed")


_unit: ContextVar[UnitOfWork | None] = ContextVar("unit_of_work", default=None)


def current_unit() -> UnitOfWork | None:
    """The open unit of work of this task, or None; also None once it was committed (background tasks, streamed bodies)."""
    unit = _unit.get()
    return None if unit is None or unit.finished else unit


@asynccontextmanager
async def joined_unit(session: AsyncSession, clinic_id: UUID | None = None) -> AsyncIterator[UnitOfWork]:
    """A unit of work over a transaction somebody else commits (a lifecycle hook); they call `unit.committed()` afterwards."""
    unit = UnitOfWork(session, clinic_id)
    token = _unit.set(unit)
    try:
        yield unit
    finally:
        _unit.reset(token)


SESSION_SETTINGS = {
    "application_name": "dentalpin",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    # Longer than any event handler may take.
    "idle_in_transaction_session_timeout": "150s",
    # Compiling costs more than the short queries of a request take.
    "jit": "off",
}


_SET_TRANSACTION = text(
    "SELECT set_config('app.clinic_id', :clinic, true)"
    + "".join(f", set_config('{name}', '{value}', true)" for name, value in SESSION_SETTINGS.items() if name != "application_name")
)
"""The clinic and the limits in one round trip, of this transaction only: the server connection is another's right afterwards."""


class Database:
    """The engine of the request role. One per process; `install` makes it the one `unit_of_work` uses.

    No ping before use: a connection that died while idle is noticed by its first statement, SQLAlchemy then drops the whole pool, and the
    request layer runs the request again. That costs a retry after a server restart instead of a round trip in every request. Prepared
    statements are cached for the same reason; one that a migration made invalid is dropped by its first error and the request repeated.

    With `pooler_url`, units of work go through a pooler in transaction mode: nothing is prepared under a name and nothing is set beyond the
    transaction. What needs a session (`connect`) goes to `url`.
    """

    def __init__(self, url: str, *, pool_size: int = 5, pooler_url: str | None = None) -> None:
        self._address = _libpq(url)
        self._pooler = _libpq(pooler_url) if pooler_url is not None else None
        driver: dict[str, Any] = {"async_creator_fn": self._for_units}
        if self._pooler is not None:
            driver |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": _unnamed}
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(pooler_url or url),
            connect_args=driver,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_use_lifo=True,
            # Parameters are patients' data; errors quote them otherwise.
            hide_parameters=True,
        )

    @classmethod
    def of(cls, settings: "Settings") -> "Database":
        """Of a process's settings, which name the database."""
        assert settings.database_url is not None, "named, or nothing is served"
        pooler = settings.database_pooler_url
        return cls(settings.database_url.get_secret_value(), pooler_url=pooler.get_secret_value() if pooler is not None else None)

    async def _for_units(self, *_: object, **__: object) -> asyncpg.Connection:
        """What the engine's pool holds. SQLAlchemy says again where, which is known."""
        if self._pooler is None:
            return await self.connect()
        # A pooler takes no limits at the start: the connections behind it are shared. Each transaction sets its own.
        settings = {"application_name": SESSION_SETTINGS["application_name"]}
        return await _opened(self._pooler, server_settings=settings, statement_cache_size=0)

    async def connect(self) -> asyncpg.Connection:
        """A connection outside the pool, for what keeps one to itself (LISTEN). Raises DatabaseUnavailable."""
        return await _opened(self._address, server_settings=SESSION_SETTINGS)

    def session(self) -> UnitSession:
        # Closed means closed: a write after the commit would be lost without a word.
        info = {POOLED: True} if self._pooler is not None else {}
        return UnitSession(self.engine, expire_on_commit=False, close_resets_only=False, info=info)

    @asynccontextmanager
    async def unit(self, clinic_id: UUID | None = None) -> AsyncIterator[UnitOfWork]:
        """Open a unit of work without committing it: whoever opens it calls `commit`, else it is rolled back at exit."""
        session = self.session()
        unit = UnitOfWork(session, clinic_id, self)
        token = _unit.set(unit)
        try:
            yield unit
        finally:
            _unit.reset(token)
            unit.finished = True
            await session.close()

    async def dispose(self) -> None:
        await self.engine.dispose()


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _unnamed() -> str:
    """The statement without a name: parsed, bound and executed at once, and gone with the next one."""
    return ""


async def _opened(address: str, **how: Any) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(address, timeout=10, **how)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        logger.warning("cannot connect to the database: %s", type(error).__name__)
        raise DatabaseUnavailable from error


async def commit(unit: UnitOfWork) -> None:
    """Make the unit durable, free its connection and run its callbacks. Raises what the database raises; then nothing is kept."""
    session = unit.session
    assert isinstance(session, UnitSession)
    await session.commit_unit()
    await session.close()
    unit.committed()


async def roll_back(unit: UnitOfWork) -> None:
    unit.finished = True
    await unit.session.close()


_current: Database | None = None


def install(database: Database | None) -> None:
    """Make `database` the one of this process."""
    global _current
    _current = database


def current() -> Database:
    """The database of this process. Raises NoUnitOfWork if none is installed."""
    if _current is None:
        raise NoUnitOfWork("The database")
    return _current


@asynccontextmanager
async def unit_of_work(clinic_id: UUID | None = None, *, database: Database | None = None) -> AsyncIterator[AsyncSession]:
    """A transaction of its own for a handler, a job or a task: committed at the end, rolled back if an exception leaves it."""
    outer = _unit.get()
    async with (database or (outer and outer.database) or current()).unit(clinic_id) as unit:
        yield unit.session
        await commit(unit)


async def set_clinic(session: AsyncSession, clinic_id: UUID | None) -> None:
    """Show the rest of this transaction the rows of `clinic_id` (None: of no clinic)."""
    session.info[CLINIC] = clinic_id
    if session.in_transaction():
        await session.execute(_SET_CLINIC, {"clinic": "" if clinic_id is None else str(clinic_id)})


async def get_db() -> AsyncSession:
    """FastAPI dependency: the session of this request's unit of work, which the core commits before the answer starts."""
    unit = current_unit()
    if unit is None:
        raise NoUnitOfWork("get_db")
    return unit.session
