"""Judging what a runtime proves against what it was told (pure), and keeping what was seen."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.signing import attestation_token
from control_plane.deployers.base import Attestation, Observation, ObservationStatus
from control_plane.errors import DomainError
from control_plane.platform import Platform
from control_plane.revisions.document import parse
from control_plane.revisions.models import Revision
from control_plane.tenants.models import ObservedTenant

ATTESTATION_PATH: Final = "/api/v1/modules/-/attestation"
LOOK_SECONDS: Final = 15.0
log = logging.getLogger(__name__)

_PRESENT = frozenset({"installed", "disabled"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`done`: the runtime proves to run the revision. `failing`: it tried and could not; otherwise it is on its way."""

    done: bool
    failing: bool = False
    reason: str = ""


def judge(observation: Observation, revision: Revision) -> Verdict:
    """Done only when generation and digests are the revision's AND the runtime is healthy AND every module is as asked.

    Health of an older generation proves nothing about this one.
    """
    proof = observation.attestation
    if proof is None or proof.generation != revision.generation:
        return _without_proof(observation, revision, proof)
    if (proof.identity, proof.effect) != (revision.identity, revision.effect):
        return Verdict(
            False,
            True,
            f"The runtime reports another content of revision {revision.generation} than was issued; it must be deployed again.",
        )
    if proof.release_id not in (None, revision.release_id):
        return Verdict(
            False, True, f"The runtime runs the release {proof.release_id}, revision {revision.generation} asks for {revision.release_id}."
        )
    if lacking := _not_as_asked(proof, revision):
        return Verdict(False, True, lacking)
    if not proof.healthy:
        return Verdict(False, False, "The runtime serves the revision and reports that it is not healthy; its log says why.")
    return Verdict(True)


def _without_proof(observation: Observation, revision: Revision, proof: Attestation | None) -> Verdict:
    serving = f"; revision {proof.generation} goes on serving" if proof is not None else ""
    match observation.status:
        case ObservationStatus.FAILED:
            return Verdict(
                False,
                True,
                f"The runtime does not start with revision {revision.generation}{serving}: {observation.reason or 'no reason given'}",
            )
        case ObservationStatus.ABSENT:
            return Verdict(False, True, observation.reason or "No runtime is deployed.")
        case _:
            return Verdict(False, False, f"Waiting for the runtime to prove revision {revision.generation}{serving}.")


def _not_as_asked(proof: Attestation, revision: Revision) -> str | None:
    seen = {module.name: module for module in proof.modules}
    wrong = {one.name: one.reason for one in proof.not_as_asked}
    for asked in parse(revision.document).modules:
        found = seen.get(asked.name)
        if found is None or found.state not in _PRESENT:
            wrong.setdefault(asked.name, (found.error if found else None) or f"it is {found.state if found else 'not there'}")
        elif found.version != asked.version:
            wrong.setdefault(asked.name, f"version {found.version} is installed, {asked.version} is asked for")
    if not wrong and proof.as_asked:
        return None
    if not wrong:
        return "The runtime reports that its modules are not as asked, without naming one."
    return "Not as asked: " + "; ".join(f"{name}: {reason}" for name, reason in sorted(wrong.items()))


async def observe_awake(platform: Platform, tenant_id: UUID, generation: int | None = None) -> Observation:
    """An observation in which a runtime that fell idle is woken to prove itself; only with this generation, where one is given."""
    observation = await platform.deployer.observe(tenant_id)
    if observation.status is not ObservationStatus.IDLE or generation not in (None, observation.generation):
        return observation
    token = attestation_token(platform.key, tenant_id)
    answer = await platform.deployer.request(tenant_id, "GET", ATTESTATION_PATH, token=token)
    return Observation(ObservationStatus.ATTESTED, Attestation.model_validate(answer.get("data")), observation.generation)


async def look(platform: Platform, tenant_id: UUID) -> None:
    """Bring the stored observation up to date, where the runtime answers soon; else what is stored has to do."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            observation = await observe_awake(platform, tenant_id)
    except (TimeoutError, DomainError) as error:
        log.info("tenant %s could not be looked at: %s", tenant_id, error)
        return
    async with platform.database.transaction() as session:
        await keep(session, tenant_id, observation, at=platform.clock.now())


async def keep(session: AsyncSession, tenant_id: UUID, observation: Observation, *, at: datetime) -> ObservedTenant:
    """Store what was seen. The last attestation stays while the runtime is idle or away; `status` says that it is."""
    row = await session.get(ObservedTenant, tenant_id, with_for_update=True)
    if row is None:
        row = ObservedTenant(tenant_id=tenant_id)
        session.add(row)
    row.status, row.reason, row.observed_at = observation.status.value, observation.reason, at
    proof = observation.attestation
    if proof is not None:
        row.generation, row.identity, row.effect = proof.generation, proof.identity, proof.effect
        row.attestation, row.attested_at = proof.model_dump(mode="json"), at
    return row
