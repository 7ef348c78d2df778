"""What is refused of demonstrations, and what is refused because a tenant is one."""

from datetime import datetime
from typing import ClassVar

from control_plane.errors import Conflict, Invalid, NotFound


class UnknownDemo(NotFound):
    code: ClassVar[str] = "unknown_demo"

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no demonstration {slug!r}. `GET /v1/demos` lists them.", slug=slug)


class DemoExtended(Conflict):
    code: ClassVar[str] = "demo_extended"

    def __init__(self, slug: str, until: datetime) -> None:
        super().__init__(
            f"{slug} was extended already and ends on {until:%d %B %Y}. Open another one; that is one request.",
            slug=slug,
            ends_at=until.isoformat(),
        )


class DemoTooLong(Invalid):
    code: ClassVar[str] = "demo_too_long"

    def __init__(self, slug: str, latest: datetime) -> None:
        super().__init__(
            f"A demonstration lasts 60 days at most: {slug} can last until {latest:%d %B %Y, %H:%M} UTC. Ask for fewer days.",
            slug=slug,
            latest=latest.isoformat(),
        )


class DemoOver(Conflict):
    code: ClassVar[str] = "demo_over"

    def __init__(self, slug: str) -> None:
        super().__init__(f"{slug} is over and is being erased. Open another one; that is one request.", slug=slug)
