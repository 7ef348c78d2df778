"""What can be wrong with a statement, a draft of an edition, or its publication."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, Invalid, NotFound


class BadStatement(Invalid):
    code: ClassVar[str] = "invalid_statement"

    def __init__(self, fact: str, why: str) -> None:
        super().__init__(f"What is stated about {fact!r} cannot be recorded: {why}.", fact=fact)


class BadPack(Invalid):
    code: ClassVar[str] = "invalid_pack"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            f"The packs cannot be used: {'; '.join(problems)}. Correct them; docs/compliance.md explains each field.",
            problems=list(problems),
        )


class NothingChanges(Conflict):
    code: ClassVar[str] = "nothing_changes"

    def __init__(self) -> None:
        super().__init__("These packs are in use already, word for word. There is nothing to publish.")


class UnknownEdition(NotFound):
    code: ClassVar[str] = "unknown_edition"

    def __init__(self, edition_id: UUID) -> None:
        super().__init__(f"There is no edition {edition_id}. `GET /v1/law/editions` lists them.", edition=str(edition_id))


class EditionOutdated(Conflict):
    code: ClassVar[str] = "edition_outdated"

    def __init__(self, edition_id: UUID) -> None:
        super().__init__(
            f"Another edition was published since {edition_id} was drafted. Discard it, and draft the packs again to see their effect.",
            edition=str(edition_id),
        )


class EffectChanged(Conflict):
    """What would be published is no longer what somebody looked at."""

    code: ClassVar[str] = "effect_changed"

    def __init__(self, now: str) -> None:
        super().__init__("The effect differs from the one you saw. Read `effect` again, and publish with its digest as `seen`.", digest=now)
