"""The errors both sides can tell apart: each type carries its HTTP status, a stable code, who can mend it, and what it is about.

Services raise them; each API maps them to its own document in one place.
"""

from enum import StrEnum
from typing import Any, ClassVar


class ErrorClass(StrEnum):
    """Who can mend what went wrong."""

    USER = "user"
    """Whoever asked: with another request, or by mending what the message names in the clinic."""
    US = "us"
    """The platform's operators."""
    TEMPORARY = "temporary"
    """Nobody has to: it is tried again."""


class DomainError(Exception):
    """A refusal that the caller can act on. The message says what to do next; `context` names the things it is about."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    error_class: ClassVar[ErrorClass] = ErrorClass.USER

    def __init__(self, message: str, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.context = context


class TemporaryError(DomainError):
    """A failure that may pass by itself. Only these are retried."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "temporarily_unavailable"
    error_class: ClassVar[ErrorClass] = ErrorClass.TEMPORARY
