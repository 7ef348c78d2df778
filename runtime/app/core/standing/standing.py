"""What a revision says of the clinic's payments, and what this process knows of itself. No amounts: those are the owner's alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self

from .texts import TEXTS

DEFAULT: Final = "en"


@dataclass(frozen=True, slots=True)
class Payments:
    """A clinic whose payments are in order has none."""

    state: str
    """`banner`, `no_new_modules`, `read_only` or `export_only`."""
    why: str
    """`unpaid`: an invoice is owed; `trial_over`: the trial ended and nothing was agreed after it; `ended`: the agreement did."""
    next: str | None
    """What follows, once it was announced."""
    next_on: date | None
    pay_at: str

    @classmethod
    def in_document(cls, document: Mapping[str, Any]) -> Self | None:
        part = document.get("payments")
        if part is None:
            return None
        on = part.get("next_on")
        return cls(part["state"], part["why"], part.get("next"), date.fromisoformat(on) if on else None, part["pay_at"])

    def told(self, language: str = DEFAULT) -> str:
        """The reason, what does not work meanwhile (the mode says that of itself), and what comes on which day."""
        texts = TEXTS.get(language, TEXTS[DEFAULT])
        parts = [texts[f"why_{self.why}"], texts.get(f"state_{self.state}")]
        if self.next is not None and self.next_on is not None:
            parts.append(texts[f"next_{self.next}"].format(on=self.next_on.isoformat()))
        return " ".join(filter(None, parts))


_current: Payments | None = None


def install(payments: Payments | None) -> None:
    """Make this the standing of the process; the serving stage does it before anything is mounted."""
    global _current
    _current = payments


def current() -> Payments | None:
    return _current
