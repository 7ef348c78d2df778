"""A fleet of tenants that have long been in use: one is planned as any other, the others are that one under other names."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, inspect
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import WORKER
from control_plane.law import statements
from control_plane.operations.kinds import KINDS, OperationKind
from control_plane.operations.models import Lease, Operation, OperationStep
from control_plane.operations.states import OperationState, StepState
from control_plane.platform import Platform
from control_plane.revisions.models import Revision
from control_plane.simulators.deployer import Place, SimulatedDeployer, attested
from control_plane.tenants.models import ObservedTenant, Tenant
from control_plane.tenants.schemas import NewTenant
from control_plane.tenants.service import preview
from control_plane.tenants.states import TenantState

AT_ONCE = 500


async def populate(
    platform: Platform,
    deployer: SimulatedDeployer,
    count: int,
    *,
    modules: tuple[str, ...] = ("agenda",),
    prefix: str = "clinic",
    lived: bool = False,
) -> list[UUID]:
    """Write `count` tenants that are active and attested, and let the deployer serve them. Their slugs are `<prefix>-<number>`.

    `lived`: with what was stated of them and the operation that set each up, as tenants have that were made over the API.
    """
    made: list[UUID] = []
    new = NewTenant(name="Clinic", slug=prefix, country="ES", owner_email="owner@clinic.example", modules=list(modules))
    for start in range(0, count, AT_ONCE):
        async with platform.database.transaction() as session:
            content = (await preview(session, platform, new)).content
            numbers = range(start, min(start + AT_ONCE, count))
            written = await _write(session, platform, deployer, content, new, [f"{prefix}-{number}" for number in numbers])
            if lived:
                await _give_a_past(session, platform, written)
            made += [tenant.id for tenant in written]
    return made


async def _write(
    session: AsyncSession, platform: Platform, deployer: SimulatedDeployer, content: Any, new: NewTenant, slugs: list[str]
) -> list[Tenant]:
    now = platform.clock.now()
    rows: dict[type[Any], list[dict[str, Any]]] = {Tenant: [], Lease: [], Revision: [], ObservedTenant: []}
    made = []
    for slug in slugs:
        tenant = Tenant(
            id=uuid4(),
            slug=slug,
            name=slug.capitalize(),
            country=content.clinic.country,
            territory=content.clinic.territory,
            facts={},
            owner_email=str(new.owner_email),
            chosen=sorted(new.modules),
            state=TenantState.ACTIVE,
            state_since=now,
            generation=0,
            invitation_serial=1,
            created_at=now,
            channel="stable",
            url=f"http://{slug}.clinics.example",
        )
        part = content.tenant.model_copy(update={"id": tenant.id, "slug": slug, "name": tenant.name})
        revision = _revision(tenant, content.model_copy(update={"tenant": part}), now=now)
        proof = attested(tenant.id, revision.document)
        seen = ObservedTenant(
            tenant_id=tenant.id,
            status="attested",
            generation=1,
            identity=revision.identity,
            effect=revision.effect,
            attestation=proof.model_dump(mode="json"),
            attested_at=now,
            observed_at=now,
        )
        lease = Lease(tenant_id=tenant.id, fence=0, reconcile_at=now)
        for row in (tenant, lease, revision, seen):
            rows[type(row)].append(_values(row))
        deployer.places[tenant.id] = Place(revision.document, proof, proof, applied=[1])
        deployer.databases.data[tenant.id] = {"schema": content.release.id, "rows": {"patients": slug}}
        made.append(tenant)
    for table, values in rows.items():
        await session.execute(insert(table), values)
    return made


async def _give_a_past(session: AsyncSession, platform: Platform, tenants: Sequence[Tenant]) -> None:
    now = platform.clock.now()
    kind = KINDS[OperationKind.PROVISION]
    operations, steps = [], []
    for tenant in tenants:
        statements.write(
            session, tenant.id, statements.said_by(tenant).statements, actor=WORKER, at=now, note="as given when it was created"
        )
        begun = {"id": uuid4(), "tenant_id": tenant.id, "kind": OperationKind.PROVISION, "state": OperationState.SUCCEEDED, "generation": 1}
        times = {"next_attempt_at": now, "deadline": now + kind.deadline, "created_at": now, "started_at": now, "finished_at": now}
        operations.append({**begun, **times, "params": {}, "result": {}, "created_by": WORKER.label})
        done = {"operation_id": begun["id"], "state": StepState.DONE, "attempts": 1, "started_at": now, "finished_at": now}
        steps += [{**done, "position": position, "name": name} for position, name in enumerate(kind.steps)]
    await session.flush()
    await session.execute(insert(Operation), operations)
    await session.execute(insert(OperationStep), steps)


def _revision(tenant: Tenant, content: Any, *, now: Any) -> Revision:
    document = content.sealed()
    tenant.generation = content.generation
    return Revision(
        id=uuid4(),
        tenant_id=tenant.id,
        generation=content.generation,
        release_id=content.release.id,
        document=document,
        identity=document["digests"]["identity"],
        effect=document["digests"]["effect"],
        created_at=now,
        created_by=WORKER.label,
    )


def _values(row: Any) -> dict[str, Any]:
    """The row's columns as they stand; what nobody set is left to the database."""
    state = inspect(row)
    return {column.key: getattr(row, column.key) for column in state.mapper.column_attrs if column.key in state.dict}
