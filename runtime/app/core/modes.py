"""The mode a clinic runs in, as its revision says: normal, read-only or export-only (bills that stay unpaid, step by step).

In every mode the clinic's records can be read, printed and exported: the law asks that of them, whoever owes whom.

It binds what modules do: their routes (`guard`, put in front of each by `app.main`), tools and jobs (`refuse`, called by whoever runs
them). The core goes on in every mode: signing in, the audit, administration of accounts. A route's method says whether it reads or
writes; where that is wrong, or where it hands out the clinic's data to take along, its function is marked with `reads`, `writes` or
`exports`.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import get_db
from dentalpin_kit.problems import DomainError


class Mode(StrEnum):
    NORMAL = "normal"
    READ_ONLY = "read_only"
    EXPORT_ONLY = "export_only"


Kind = Literal["read", "write", "export", "assist", "admit"]
"""What something does. `read`, `write` and `export` are about the clinic's data; an export reads all of it, and may note that it did.
`assist` is a tool of an agent, `admit` lets in somebody new.
"""

ALLOWED: Final[dict[Mode, frozenset[Kind]]] = {
    Mode.NORMAL: frozenset({"read", "write", "export", "assist", "admit"}),
    Mode.READ_ONLY: frozenset({"read", "export", "assist", "admit"}),
    Mode.EXPORT_ONLY: frozenset({"read", "export"}),
}

BANNERS: Final[dict[Mode, str]] = {
    Mode.READ_ONLY: "This clinic is read-only at the moment: everything can be read, printed and exported, and nothing can be changed.",
    Mode.EXPORT_ONLY: "This clinic is closed for work: its records can be read, printed and exported, and nothing else can be used.",
}
"""What people are told on every page of a clinic that is not in normal mode."""

_READ_ONLY: Final = text("SET TRANSACTION READ ONLY")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MARK: Final = "__dentalpin_kind__"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class ModeForbids(DomainError):
    """The mode of this clinic does not allow what was asked; one of the two below."""

    status: ClassVar[int] = 403


class ModeReadOnly(ModeForbids):
    code: ClassVar[str] = "mode_read_only"

    def __init__(self) -> None:
        super().__init__(
            f"{BANNERS[Mode.READ_ONLY]} The clinic's owner can change that where the clinic was signed up.", mode=Mode.READ_ONLY
        )


class ModeExportOnly(ModeForbids):
    code: ClassVar[str] = "mode_export_only"

    def __init__(self) -> None:
        super().__init__(
            f"{BANNERS[Mode.EXPORT_ONLY]} The clinic's owner can open it again where it was signed up.",
            mode=Mode.EXPORT_ONLY,
        )


_REFUSALS: Final[dict[Mode, type[ModeReadOnly] | type[ModeExportOnly]]] = {
    Mode.READ_ONLY: ModeReadOnly,
    Mode.EXPORT_ONLY: ModeExportOnly,
}

_current: Mode = Mode.NORMAL


def install(mode: Mode) -> None:
    """Make this the mode of the process; the serving stage does it before anything is mounted. Another mode is another process."""
    global _current
    _current = mode


def current_mode() -> Mode:
    """The mode of this process; normal outside a serving one."""
    return _current


def allows(kind: Kind, mode: Mode | None = None) -> bool:
    """Whether the mode (default: this process's) lets something of this kind be done."""
    return kind in ALLOWED[current_mode() if mode is None else mode]


def refuse(kind: Kind, mode: Mode | None = None) -> None:
    """Raise ModeForbids (403; `mode_read_only` or `mode_export_only`) unless the mode allows something of this kind."""
    asked = current_mode() if mode is None else mode
    if kind not in ALLOWED[asked]:
        raise _REFUSALS[asked]()


def reads(function: _Function) -> _Function:
    """Mark a route that only looks although its method is not GET, such as a search with a body."""
    return _marked(function, "read")


def writes(function: _Function) -> _Function:
    """Mark a route that changes something although its method is GET."""
    return _marked(function, "write")


def exports(function: _Function) -> _Function:
    """Mark a route that hands out the clinic's data to take along: it goes on in every mode."""
    return _marked(function, "export")


def kind_of(function: Callable[..., Any] | None, method: str) -> Kind:
    """What a route does: its mark, else what its method says."""
    marked: Kind | None = getattr(function, _MARK, None)
    return marked or ("read" if method in _SAFE_METHODS else "write")


async def guard(request: Request, db: Annotated[AsyncSession, Depends(get_db)]) -> None:
    """In front of every route of a module. Raises ModeForbids; a read in another mode than normal gets a transaction that cannot write."""
    mode: Mode = getattr(request.app.state, "mode", None) or current_mode()
    if mode is Mode.NORMAL:
        return
    kind = kind_of(request.scope.get("endpoint"), request.method)
    refuse(kind, mode)
    if kind == "read":
        # Whatever the route's author overlooked, PostgreSQL does not write.
        await db.execute(_READ_ONLY)


def _marked(function: _Function, kind: Kind) -> _Function:
    setattr(function, _MARK, kind)
    return function
