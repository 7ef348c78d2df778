from typing import ClassVar

from control_plane.errors import Invalid


class KeyReused(Invalid):
    code: ClassVar[str] = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The Idempotency-Key {key!r} was used for another request already. Send a new key, or the first request unchanged.",
            key=key,
        )


class BadKey(Invalid):
    code: ClassVar[str] = "idempotency_key_invalid"

    def __init__(self) -> None:
        super().__init__("An Idempotency-Key has 1 to 255 characters; a UUID does well.")
