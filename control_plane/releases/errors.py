from typing import ClassVar

from control_plane.errors import Conflict, NotFound, TemporaryError


class NoRelease(TemporaryError):
    code: ClassVar[str] = "no_release"

    def __init__(self) -> None:
        super().__init__("The platform has not read any release yet. It does so when it starts; `POST /v1/releases/refresh` reads it now.")


class ReleaseUnknown(NotFound):
    code: ClassVar[str] = "release_unknown"

    def __init__(self, release_id: str) -> None:
        super().__init__(
            f"The release {release_id} is not registered here. `GET /v1/releases` lists those that are; unpin the tenant, or register it.",
            release=release_id,
        )


class ReleaseGone(Conflict):
    code: ClassVar[str] = "release_gone"

    def __init__(self, release_id: str, replaced_by: str | None) -> None:
        since = f" its environment holds {replaced_by} since;" if replaced_by else ""
        super().__init__(
            f"No environment holds the release {release_id} any more:{since} register one that does, or choose another release.",
            release=release_id,
            replaced_by=replaced_by,
        )
