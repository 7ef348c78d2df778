from collections.abc import Sequence
from typing import ClassVar

from control_plane.errors import Conflict
from control_plane.upgrades.fitness import Obstacle


class ReleaseUnfit(Conflict):
    code: ClassVar[str] = "release_unfit"

    def __init__(self, slug: str, release_id: str, found: Sequence[Obstacle]) -> None:
        whys = " ".join(one.why for one in found)
        way_out = " `override` sets our own rules aside." if all(one.overridable for one in found) else ""
        super().__init__(
            f"{slug!r} cannot be moved to the release {release_id}: {whys}{way_out}",
            slug=slug,
            release=release_id,
            obstacles=[{"code": one.code, "why": one.why, "overridable": one.overridable} for one in found],
        )


class TenantBusy(Conflict):
    code: ClassVar[str] = "tenant_busy"

    def __init__(self, slug: str, what: str, operation: str) -> None:
        super().__init__(
            f"{slug!r} is in the middle of another operation ({what}). Wait for its end, or cancel it: `GET /v1/operations/{operation}`.",
            slug=slug,
            operation=operation,
        )


class NotUpgradable(Conflict):
    code: ClassVar[str] = "tenant_not_at_rest"

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(
            f"{slug!r} is {state.replace('_', ' ')}: only a clinic that is active or degraded can be moved. "
            "Wait for the operation at work.",
            slug=slug,
            state=state,
        )
