from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, Invalid, NotFound


class UnknownCampaign(NotFound):
    code: ClassVar[str] = "unknown_campaign"

    def __init__(self, campaign_id: UUID) -> None:
        super().__init__(f"There is no campaign {campaign_id}. `GET /v1/campaigns` lists them.", campaign=str(campaign_id))


class UnknownWave(NotFound):
    code: ClassVar[str] = "unknown_wave"

    def __init__(self, campaign_id: UUID, position: int) -> None:
        super().__init__(f"The campaign {campaign_id} has no wave {position}.", campaign=str(campaign_id), wave=position)


class NotAMember(NotFound):
    code: ClassVar[str] = "not_a_member"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The tenant {slug} is no member of this campaign. Its plan is frozen: make another campaign for it.", slug=slug)


class UnknownPair(NotFound):
    code: ClassVar[str] = "unknown_pair"

    def __init__(self, pair_id: UUID) -> None:
        super().__init__(f"There is no pair {pair_id} in force. `GET /v1/known-bad-pairs` lists those that are.", pair=str(pair_id))


class NobodyToMove(Invalid):
    code: ClassVar[str] = "nobody_to_move"

    def __init__(self, left_out: int) -> None:
        super().__init__(
            f"The plan has no member that can be moved; {left_out} would be left out. `POST /v1/campaigns/plan` says why of each.",
            left_out=left_out,
        )


class UnknownTenants(Invalid):
    code: ClassVar[str] = "unknown_tenants"

    def __init__(self, slugs: list[str]) -> None:
        super().__init__(f"There are no tenants {', '.join(slugs[:20])}. Correct the list of tenants.", slugs=slugs[:200])


class WaveNotWaiting(Conflict):
    code: ClassVar[str] = "wave_not_waiting"

    def __init__(self, position: int, state: str) -> None:
        super().__init__(f"The wave {position} is {state}; only one that awaits approval can be approved.", wave=position, state=state)


class CampaignOver(Conflict):
    code: ClassVar[str] = "campaign_over"

    def __init__(self, state: str) -> None:
        super().__init__(f"The campaign is {state}. Make another one for the members that remain.", state=state)


class ReleaseYanked(Conflict):
    code: ClassVar[str] = "release_yanked"

    def __init__(self, release_id: str, why: str) -> None:
        super().__init__(f"The release {release_id} was yanked: {why} Choose another one, or take the yank back.", release=release_id)
