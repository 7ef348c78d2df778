from typing import ClassVar

from control_plane.errors import DomainError, NotFound, TemporaryError


class ObjectMissing(NotFound):
    code: ClassVar[str] = "object_missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"The object store holds nothing under {key}. Somebody removed it there, or the store is another one.", key=key)


class ObjectStoreUnavailable(TemporaryError):
    """It does not answer at the moment; the same call may succeed later."""

    code: ClassVar[str] = "object_store_unavailable"

    def __init__(self, what: str) -> None:
        super().__init__(f"The object store does not answer: {what}")


class ObjectStoreRefused(DomainError):
    """It refuses for good: credentials, permissions or the bucket are wrong. A person must act."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "object_store_refused"

    def __init__(self, what: str) -> None:
        super().__init__(f"The object store refuses: {what} Check DENTALPIN_OBJECT_STORE and its credentials, then retry.")
