"""Who acts: an operator, an owner or a reseller's staff (in person or by a key), somebody on the sign-up page, or the platform itself."""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from control_plane.access.scopes import ALL, Kind


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind` is operator, owner, reseller, support, platform or signup; `id` what the audit shows of them."""

    kind: str
    id: str
    role: str = "admin"
    scopes: frozenset[str] = field(default=frozenset(), repr=False)
    account_id: UUID | None = None
    """The account behind a session or a key; None for the platform itself and for keys that belong to nobody."""
    reseller_id: UUID | None = None
    session_id: UUID | None = None
    """Set for somebody who signed in, in person; None for keys."""

    @property
    def label(self) -> str:
        """As the audit and the rows name it: `operator:dpk_1a2b3c4d`, `signup:owner@clinic.example`."""
        return f"{self.kind}:{self.id}"[:120]

    @property
    def sees_all(self) -> bool:
        """Whether every tenant is theirs to see; else only those granted to their account or their reseller."""
        return self.kind in (Kind.OPERATOR, "platform")

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    @classmethod
    def operator(cls, prefix: str, scopes: frozenset[str] = ALL) -> "Actor":
        return cls("operator", prefix, scopes=scopes)

    @classmethod
    def signup(cls, email: str) -> "Actor":
        return cls("signup", email)


WORKER: Final = Actor("platform", "worker", scopes=ALL)
