"""The mark that shows a member of an answer to the platform's support. Imports nothing, since every module's schemas import it."""

from typing import Final


class Shown:
    """Stands in the metadata of an annotated field: it, and whatever lies below it, holds nothing of a patient."""

    __slots__ = ()


SHOWN: Final = Shown()
