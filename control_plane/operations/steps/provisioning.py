"""Setting a clinic up, deploying what is desired, and watching until the runtime proves it."""

import asyncio
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.signing import invitation, invitation_token
from control_plane.deployers.base import ObservationStatus, RuntimeRefused
from control_plane.mail.invitations import invitation_mail
from control_plane.operations.kinds import OperationKind, StepName
from control_plane.operations.models import Operation
from control_plane.operations.observing import judge, observe_awake
from control_plane.operations.steps.base import NotYet, Outcome, RuntimeNotAsAsked, Step, Tools, Work
from control_plane.revisions.document import parse
from control_plane.tenants.models import Tenant

INVITATION_PATH: Final = "/api/v1/-/invitation"
WATCH_SECONDS: Final = 5.0
"""How long one attempt to attest watches before it comes up for air, so that a later change can take over."""
POLL_SECONDS: Final = (0.05, 0.4)


async def desired_now(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
    """What is deployed is what is desired now, not what was when the operation began."""
    operation.generation = tenant.generation


async def next_serial(session: AsyncSession, tenant: Tenant, operation: Operation) -> None:
    """Each operation has one serial of its own; repeating its step repeats the serial."""
    serial = operation.result.get("serial") or tenant.invitation_serial + 1
    tenant.invitation_serial = max(tenant.invitation_serial, serial)
    operation.result = {**operation.result, "serial": serial}


async def secrets(work: Work, tools: Tools) -> Outcome:
    await tools.deployer.ensure_secrets(work.placement.tenant_id, work.password_serial)
    work.half_done()
    return Outcome()


async def database(work: Work, tools: Tools) -> Outcome:
    verifiers = await tools.deployer.ensure_secrets(work.placement.tenant_id, work.password_serial)
    work.half_done()
    await tools.databases.ensure(work.placement.tenant_id, verifiers, work.password_serial)
    return Outcome()


async def deploy(work: Work, tools: Tools) -> Outcome:
    tenant_id = work.placement.tenant_id
    await tools.deployer.apply(work.placement, work.revision.document, tools.databases.address(tenant_id, work.password_serial))
    work.half_done()
    return Outcome(url=await tools.deployer.address(tenant_id))


async def attest(work: Work, tools: Tools) -> Outcome:
    """Watch until the runtime proves the revision; the first look is at once, and the pauses grow."""
    tenant_id = work.placement.tenant_id
    pause, longest = POLL_SECONDS
    loop = asyncio.get_running_loop()
    end = loop.time() + WATCH_SECONDS
    while True:
        observation = await observe_awake(tools.platform, tenant_id, work.revision.generation)
        work.half_done()
        verdict = judge(observation, work.revision)
        if verdict.done:
            return Outcome(url=await tools.deployer.address(tenant_id), observation=observation)
        if observation.status is ObservationStatus.ABSENT:
            await tools.deployer.apply(work.placement, work.revision.document, tools.databases.address(tenant_id, work.password_serial))
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
    work.half_done()
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


STEPS: Final = {
    StepName.SECRETS: Step(secrets),
    StepName.DATABASE: Step(database),
    StepName.DEPLOY: Step(deploy, prepare=desired_now),
    StepName.ATTEST: Step(attest),
    StepName.INVITE: Step(invite, prepare=next_serial),
    StepName.REDEPLOY: Step(deploy, prepare=desired_now),
    StepName.REATTEST: Step(attest),
}
