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


class NotUpgradable(Conflict):
    code: ClassVar[str] = "tenant_not_at_rest"

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(
            f"{slug!r} is {state.replace('_', ' ')}: only a clinic that is active or degraded can be moved. "
            "Wait for the operation at work.",
            slug=slug,
            state=state,
        )


class RehearsalImpossible(Conflict):
    code: ClassVar[str] = "rehearsal_impossible"

    def __init__(self) -> None:
        super().__init__("The deployer of this platform cannot rehearse. Try the release on a copy of the clinic instead.")
