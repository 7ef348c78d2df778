from typing import ClassVar

from control_plane.errors import Conflict, TemporaryError


class NoRelease(TemporaryError):
    code: ClassVar[str] = "no_release"

    def __init__(self) -> None:
        super().__init__("The platform has not read any release yet. It does so when it starts; `POST /v1/releases/refresh` reads it now.")


class ReleaseUnknown(Conflict):
    code: ClassVar[str] = "release_unknown"

    def __init__(self, release_id: str) -> None:
        super().__init__(
            f"The release {release_id} is not registered here. Unpin the tenant, or register that release.", release=release_id
        )
