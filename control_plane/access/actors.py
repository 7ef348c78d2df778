"""Who acts: an operator with a key, somebody on the sign-up page, or the platform itself."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Actor:
    kind: str
    id: str

    @property
    def label(self) -> str:
        """As the audit and the rows name it: `operator:dpk_1a2b3c4d`, `signup:owner@clinic.example`."""
        return f"{self.kind}:{self.id}"[:120]

    @classmethod
    def operator(cls, prefix: str) -> "Actor":
        return cls("operator", prefix)

    @classmethod
    def signup(cls, email: str) -> "Actor":
        return cls("signup", email)


WORKER: Final = Actor("platform", "worker")
