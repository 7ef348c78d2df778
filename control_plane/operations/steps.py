"""What each step does. A step may be repeated after dying anywhere: it looks at facts, ends in the same place, and never assumes
that it is the first. It raises TemporaryError to be tried again, any other DomainError to give up with that reason.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from control_plane.access.signing import invitation, invitation_token
from control_plane.databases.base import DatabaseServer
from control_plane.deployers.base import Deployer, Observation, ObservationStatus, Placement, RuntimeRefused
from control_plane.errors import TemporaryError
from control_plane.mail.invitations import invitation_mail
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.observing import judge, observe_awake
from control_plane.platform import Placed, Platform
from control_plane.revisions.document import parse
from control_plane.revisions.models import Revision

INVITATION_PATH: Final = "/api/v1/-/invitation"
WATCH_SECONDS: Final = 5.0
"""How long one attempt to attest watches before it comes up for air, so that a later change can take over."""
POLL_SECONDS: Final = (0.05, 0.4)


class NotYet(TemporaryError):
    """Under way; looked at again soon, without counting as a failure."""

    code: ClassVar[str] = "not_yet"


class RuntimeNotAsAsked(TemporaryError):
    """The runtime tried and could not; it tries again by itself, and may be helped meanwhile."""

    code: ClassVar[str] = "runtime_not_as_asked"

    def __init__(self, reason: str, observation: Observation) -> None:
        super().__init__(reason)
        self.observation = observation


@dataclass(frozen=True)
class Work:
    """One step of one operation, with the facts as the database has them at its beginning."""

    operation_id: UUID
    kind: OperationKind
    placement: Placement
    owner_email: str
    revision: Revision
    serial: int
    result: dict[str, Any]
    database_server: str | None = None
    """Which server holds the tenant's database; None is the environment's own."""


@dataclass(frozen=True)
class Outcome:
    """What a finished step makes known; written together with its being done."""

    url: str | None = None
    observation: Observation | None = None
    result: dict[str, Any] = field(default_factory=dict)
    final_dump: str | None = None
    final_dump_until: date | None = None


@dataclass(frozen=True)
class Tools:
    """What steps work with. `databases` is the server of the tenant at work."""

    platform: Platform
    databases: DatabaseServer

    async def placed(self, tenant: Placed) -> "Tools":
        """The same, with the server that holds this tenant's database."""
        if tenant.database_server is None:
            return self
        return replace(self, databases=await self.platform.databases_for(tenant))

    @property
    def deployer(self) -> Deployer:
        return self.platform.deployer


async def secrets(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.ensure_secrets(work.placement.tenant_id)
    return Outcome()


async def database(work: Work, tools: Tools) -> Outcome:
    verifiers = await tools.deployer.ensure_secrets(work.placement.tenant_id)
    await tools.databases.ensure(work.placement.tenant_id, verifiers)
    return Outcome()


async def deploy(work: Work, tools: Tools) -> Outcome:
    tenant_id = work.placement.tenant_id
    await tools.deployer.apply(work.placement, work.revision.document, tools.databases.address(tenant_id))
    return Outcome(url=await tools.deployer.address(tenant_id))


async def attest(work: Work, tools: Tools) -> Outcome:
    """Watch until the runtime proves the revision; the first look is at once, and the pauses grow."""
    tenant_id = work.placement.tenant_id
    pause, longest = POLL_SECONDS
    loop = asyncio.get_running_loop()
    end = loop.time() + WATCH_SECONDS
    while True:
        observation = await observe_awake(tools.platform, tenant_id, work.revision.generation)
        verdict = judge(observation, work.revision)
        if verdict.done:
            return Outcome(url=await tools.deployer.address(tenant_id), observation=observation)
        if observation.status is ObservationStatus.ABSENT:
            await tools.deployer.apply(work.placement, work.revision.document, tools.databases.address(tenant_id))
        elif verdict.failing:
            raise RuntimeNotAsAsked(verdict.reason, observation)
        if loop.time() >= end:
            raise NotYet(verdict.reason)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, longest)


async def invite(work: Work, tools: Tools) -> Outcome:
    """Register the serial at the runtime, so that only this link works, then mail the link. Repeated, it is the same mail again."""
    platform, tenant_id = tools.platform, work.placement.tenant_id
    body = {"email": work.owner_email, "serial": work.serial}
    try:
        await tools.deployer.request(tenant_id, "POST", INVITATION_PATH, body, invitation_token(platform.key, tenant_id))
    except RuntimeRefused as refusal:
        # The owner was quicker than a repeated step: there is nobody left to invite.
        if refusal.answered == 409 and work.kind is OperationKind.PROVISION:
            return Outcome(result={"invitation": {"sent": False, "why": refusal.message}})
        raise
    address = await tools.deployer.address(tenant_id)
    invited = invitation(platform.key, tenant_id, address=address, email=work.owner_email, serial=work.serial)
    mail = invitation_mail(
        key=f"invitation-{work.placement.slug}-{work.serial}-{tenant_id.hex[:8]}",
        to=work.owner_email,
        clinic=work.placement.name,
        link=invited.link,
        days=invited.valid_for.days,
        locale=parse(work.revision.document).clinic.locale,
    )
    await platform.mailer.send(mail)
    return Outcome(url=address, result={"invitation": {"sent": True, "to": work.owner_email, "serial": work.serial}})


async def stop(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.stop(work.placement.tenant_id)
    return Outcome()


async def dump(work: Work, tools: Tools) -> Outcome:
    settings = tools.platform.settings
    name = f"{work.placement.slug}-{work.placement.tenant_id}.dump"
    made = await tools.databases.dump(work.placement.tenant_id, (settings.backups / name).absolute())
    if made is None:
        return Outcome(result={"final_dump": None})
    until = tools.platform.clock.today() + timedelta(days=settings.final_dump_days)
    facts = {"path": str(made.file), "bytes": made.size, "sha256": made.sha256, "until": until.isoformat()}
    return Outcome(result={"final_dump": facts}, final_dump=str(made.file), final_dump_until=until)


async def drop(work: Work, tools: Tools) -> Outcome:
    await tools.databases.drop(work.placement.tenant_id)
    return Outcome()


async def remove(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.remove(work.placement.tenant_id)
    return Outcome()


Step = Callable[[Work, Tools], Awaitable[Outcome]]
STEPS: Final[dict[StepName, Step]] = {
    StepName.SECRETS: secrets,
    StepName.DATABASE: database,
    StepName.DEPLOY: deploy,
    StepName.ATTEST: attest,
    StepName.INVITE: invite,
    StepName.STOP: stop,
    StepName.DUMP: dump,
    StepName.DROP: drop,
    StepName.REMOVE: remove,
}
