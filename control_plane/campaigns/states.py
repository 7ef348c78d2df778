"""Life of a campaign, of its waves and of its members. Diagrams and tables in docs/reference/states.md are generated from these."""

from enum import StrEnum
from typing import Final

from control_plane.transitions import About, Standing, StateMachine, Transition


class CampaignState(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    ABORTING = "aborting"
    COMPLETED = "completed"
    ABORTED = "aborted"


class CampaignEvent(StrEnum):
    STARTED = "started"
    PAUSED = "paused by a person"
    HALTED = "too much failed"
    RESUMED = "resumed by a person"
    ABORT_ASKED = "aborted by a person"
    AT_REST = "nothing under way"
    FINISHED = "last wave done"


C, E = CampaignState, CampaignEvent
CAMPAIGN: Final = StateMachine(
    "The campaign",
    initial=C.PLANNED,
    final=frozenset({C.COMPLETED, C.ABORTED}),
    transitions=(
        Transition(C.PLANNED, E.STARTED, C.RUNNING),
        Transition(C.RUNNING, E.PAUSED, C.PAUSED),
        Transition(C.RUNNING, E.HALTED, C.HALTED),
        # What was begun before the pause may fail during it.
        Transition(C.PAUSED, E.HALTED, C.HALTED),
        Transition(C.PAUSED, E.RESUMED, C.RUNNING),
        Transition(C.HALTED, E.RESUMED, C.RUNNING),
        *(Transition(source, E.ABORT_ASKED, C.ABORTING) for source in (C.PLANNED, C.RUNNING, C.PAUSED, C.HALTED)),
        Transition(C.ABORTING, E.AT_REST, C.ABORTED),
        Transition(C.RUNNING, E.FINISHED, C.COMPLETED),
    ),
    about={
        C.PLANNED: About(Standing.STABLE, "Its plan is frozen; nothing was begun."),
        C.RUNNING: About(
            Standing.UNDER_WAY,
            "Its waves go on one after the other.",
            "its own (`days` of the strategy); past it, it is halted",
            "pause, abort",
        ),
        C.PAUSED: About(Standing.STABLE, "A person paused it: nothing new is begun, what is under way ends."),
        C.HALTED: About(Standing.STUCK, "It stopped by itself; `reason` says why. It never goes on by itself.", "", "resume, abort"),
        C.ABORTING: About(
            Standing.UNDER_WAY,
            "Nothing new is begun; what is under way ends.",
            "that of the last operation under way",
            "the operations' own",
        ),
        C.COMPLETED: About(Standing.FINAL, "Every member is done, failed or left out, each with its reason."),
        C.ABORTED: About(Standing.FINAL, "A person ended it; members not begun were left alone."),
    },
)


class WaveState(StrEnum):
    PENDING = "pending"
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    SOAKING = "soaking"
    DONE = "done"


class WaveEvent(StrEnum):
    APPROVAL_NEEDED = "approval needed"
    OPENED = "opened"
    SOAK_BEGUN = "all members ended"
    SOAKED = "soaked"
    MEMBER_RETRIED = "member retried"


W, V = WaveState, WaveEvent
WAVE: Final = StateMachine(
    "The wave",
    initial=W.PENDING,
    final=frozenset(),
    transitions=(
        Transition(W.PENDING, V.APPROVAL_NEEDED, W.AWAITING_APPROVAL),
        Transition(W.PENDING, V.OPENED, W.RUNNING),
        Transition(W.AWAITING_APPROVAL, V.OPENED, W.RUNNING),
        Transition(W.RUNNING, V.SOAK_BEGUN, W.SOAKING),
        Transition(W.SOAKING, V.SOAKED, W.DONE),
        Transition(W.SOAKING, V.MEMBER_RETRIED, W.RUNNING),
        Transition(W.DONE, V.MEMBER_RETRIED, W.RUNNING),
    ),
    about={
        W.PENDING: About(Standing.STABLE, "The waves before it are not done."),
        W.AWAITING_APPROVAL: About(Standing.STUCK, "It is its turn; a person has to say so.", "", "approve it, or abort the campaign"),
        W.RUNNING: About(
            Standing.UNDER_WAY, "Its members are moved, as many at once as it may.", "that of its members", "pause or abort the campaign"
        ),
        W.SOAKING: About(
            Standing.UNDER_WAY, "All members ended; it is watched before the next begins.", "`soak_until`", "pause or abort the campaign"
        ),
        W.DONE: About(Standing.STABLE, "Over; a member retried later opens it again."),
    },
)


class MemberState(StrEnum):
    PENDING = "pending"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class MemberEvent(StrEnum):
    NOT_NOW = "not a good time"
    BEGUN = "operation begun"
    PROVED = "attested"
    BROKE = "operation failed"
    DISPLACED = "another request took its place"
    LEFT_OUT = "left out"
    ABORTED = "campaign aborted"
    RETRIED = "retried by a person"


M, T = MemberState, MemberEvent
MEMBER: Final = StateMachine(
    "The member",
    initial=M.PENDING,
    final=frozenset({M.DONE, M.CANCELLED}),
    transitions=(
        *(Transition(source, T.NOT_NOW, M.WAITING) for source in (M.PENDING, M.WAITING)),
        *(Transition(source, T.BEGUN, M.RUNNING) for source in (M.PENDING, M.WAITING)),
        # It was there already, by its own attestation.
        *(Transition(source, T.PROVED, M.DONE) for source in (M.PENDING, M.WAITING, M.RUNNING)),
        Transition(M.RUNNING, T.BROKE, M.FAILED),
        Transition(M.RUNNING, T.DISPLACED, M.WAITING),
        *(Transition(source, T.LEFT_OUT, M.SKIPPED) for source in (M.PENDING, M.WAITING, M.RUNNING)),
        *(Transition(source, T.ABORTED, M.CANCELLED) for source in (M.PENDING, M.WAITING)),
        *(Transition(source, T.RETRIED, M.PENDING) for source in (M.FAILED, M.SKIPPED)),
    ),
    about={
        M.PENDING: About(Standing.STABLE, "Its wave is not running, or as many as may are under way."),
        M.WAITING: About(
            Standing.UNDER_WAY,
            "Not now; `reason` says why: its window, a patient, another operation.",
            "`patience_hours` of the strategy; past it, it is left out",
            "abort the campaign; change the clinic's window",
        ),
        M.RUNNING: About(
            Standing.UNDER_WAY,
            "Its operation is at work, or its attestation is awaited.",
            "`stuck_minutes` of the strategy; past it, it counts as failed and the campaign is halted",
            "the operation's own",
        ),
        M.DONE: About(Standing.FINAL, "Its own runtime attested what the campaign is to bring."),
        M.FAILED: About(
            Standing.STUCK, "Its operation failed; where that could be taken back, it is on its old release with its data.", "", "retry"
        ),
        M.SKIPPED: About(Standing.STUCK, "Left out, with the reason; nothing was done to it.", "", "retry once the reason is gone"),
        M.CANCELLED: About(Standing.FINAL, "The campaign was aborted before it was begun."),
    },
)
del C, E, W, V, M, T

MOVING: Final = frozenset({CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.HALTED, CampaignState.ABORTING})
"""In these, members under way are followed to their end."""
OVER: Final = CAMPAIGN.final
ENDED: Final = frozenset({MemberState.DONE, MemberState.FAILED, MemberState.SKIPPED, MemberState.CANCELLED})
"""Nothing more happens to the member by itself."""
OPEN_MEMBERS: Final = (MemberState.PENDING, MemberState.WAITING)
