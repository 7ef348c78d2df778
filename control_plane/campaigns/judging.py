"""Deciding, from what is known: whether a member proved what it was to run, and whether too much failed to begin anything more. Pure."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from control_plane.campaigns.strategy import Strategy
from control_plane.deployers.base import Attestation, Observation, ObservationStatus
from control_plane.operations.observing import judge
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant


@dataclass(frozen=True, slots=True)
class Tally:
    """How one wave stands."""

    size: int
    done: int
    failed: int
    stuck: int = 0
    """Of those that failed, how many by not ending in time."""


def why_halt(tally: Tally, strategy: Strategy, *, canary: bool) -> str | None:
    """Why the campaign must stop, for a person; None where it may go on."""
    if tally.stuck:
        return f"{_so_many(tally.stuck)} did not end within {strategy.stuck_minutes} minutes."
    if canary and tally.failed:
        return f"{_so_many(tally.failed)} of the canary failed."
    limit = f"more than the {strategy.halt_rate:.0%} that may"
    if tally.failed > strategy.halt_rate * tally.size:
        return f"{tally.failed} of the wave's {tally.size} members failed: {limit}."
    ended = tally.done + tally.failed
    if ended >= strategy.halt_least and tally.failed > strategy.halt_rate * ended:
        return f"{tally.failed} of the {ended} members that ended failed: {limit}."
    return None


def _so_many(number: int) -> str:
    return "One member" if number == 1 else f"{number} members"


def why_unproved(seen: ObservedTenant | None, revision: Revision, *, release_id: str, since: datetime) -> str | None:
    """Why what the runtime last attested does not prove `revision`; None where it does.

    `revision` is the one the attestation names, or the one awaited where it names an older one. What was attested before the member's
    work began proves nothing about it, nor does the word of an older generation.
    """
    if seen is None or seen.attestation is None or seen.attested_at is None:
        return f"Its runtime has not attested revision {revision.generation} yet."
    if seen.attested_at < since:
        return "Its runtime has attested nothing since the work began."
    try:
        proof = Attestation.model_validate(seen.attestation)
    except ValidationError:
        return "What its runtime attested last cannot be read."
    if seen.status == ObservationStatus.FAILED:
        return f"Its runtime does not start: {seen.reason or 'no reason given'}"
    verdict = judge(Observation(ObservationStatus.ATTESTED, proof, proof.generation), revision)
    if not verdict.done:
        return verdict.reason
    if proof.release_id != release_id:
        return f"Its runtime attests release {proof.release_id}; {release_id} is to run."
    return None
