"""A tool as a module declares it, and what a call of it answers."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import BaseModel

from app.core.agents.errors import ToolInvalid

if TYPE_CHECKING:
    from app.core.agents.context import AgentContext

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
SHORTEST_DESCRIPTION: Final = 20
"""Characters; less cannot tell a model that has never seen the module what the tool does and does not do."""


class ToolCategory(StrEnum):
    """How much a call can do. The most conservative one that is true (module guide, "Categorize every tool")."""

    READ = "read"
    """Never changes anything; the registry runs it in a transaction that cannot."""
    WRITE = "write"
    """Changes something that can be changed back."""
    DESTRUCTIVE = "destructive"
    """Deletes, sends something out, moves money, or cannot be taken back. A person approves every single call."""


Handler = Callable[["AgentContext", Any], Awaitable[Any]]


@dataclass(frozen=True)
class Tool:
    """One callable action. The registry puts the module's name in front of `name`.

    `permissions` are those the route for the same action asks for; a caller needs all of them. `exposes_free_text` says that the result
    contains text people typed, which an agent must take for data and never for instructions. Raises ToolInvalid.
    """

    name: str
    description: str
    parameters: type[BaseModel]
    handler: Handler
    permissions: Sequence[str]
    category: ToolCategory = ToolCategory.WRITE
    exposes_free_text: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "permissions", tuple(self.permissions))
        object.__setattr__(self, "category", ToolCategory(self.category))
        wrong = list(_mistakes(self))
        if wrong:
            raise ToolInvalid(str(self.name), wrong)


def _mistakes(tool: Tool) -> Iterable[str]:
    if not _NAME.fullmatch(str(tool.name)):
        yield "the name is lower-case snake_case, without the module's name and a dot (the registry puts it there)"
    if len(" ".join(str(tool.description).split())) < SHORTEST_DESCRIPTION:
        yield "the description says in a sentence what the tool does, for a model that has never seen the module"
    given: Any = tool.parameters
    if not (isinstance(given, type) and issubclass(given, BaseModel)):
        yield "parameters is a Pydantic model class"
    if not inspect.iscoroutinefunction(tool.handler):
        yield "the handler is an async function"
    elif not _takes_two(tool.handler):
        yield "the handler takes (ctx, params)"
    if not tool.permissions:
        yield "at least one permission is named, the one the route for the same action asks for"


def _takes_two(handler: Handler) -> bool:
    try:
        inspect.signature(handler).bind(None, None)
    except TypeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ToolError:
    """Why a call did not happen. `code` is stable; `message` says what to do."""

    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call answers: plain JSON values in `data`, or an `error`. A call that waits for a person has neither result nor effect yet:
    its error is `approval_required` and `approval_id` names the entry of the queue.
    """

    data: Any = None
    error: ToolError | None = None
    approval_id: UUID | None = None

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def waiting(self) -> bool:
        return self.approval_id is not None
