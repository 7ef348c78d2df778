"""A change of modules alone, with its price: `POST …/plan` and `PUT …/modules` show what `billing/preview` does, and that is charged."""

import logging
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.access.actors import Actor
from control_plane.billing import agreements, service
from control_plane.billing.errors import ProviderNotConnected
from control_plane.payments.errors import ProviderRefused, ProviderUnavailable, WrongAccount
from control_plane.platform import Platform
from control_plane.revisions.changes import PriceChange
from control_plane.tenants import service as tenants
from control_plane.tenants.models import Tenant
from control_plane.tenants.schemas import PlanOut

log = logging.getLogger(__name__)


async def plan_modules(session: AsyncSession, platform: Platform, tenant: Tenant, modules: Sequence[str]) -> PlanOut:
    """What choosing these modules changes and costs. Where nobody pays, or the provider cannot be asked, the price says no `now`.

    Raises what planning modules raises.
    """
    row = await agreements.of(session, tenant.id)
    if row is not None and not row.status.over:
        try:
            shown = await service.preview(session, platform, tenant, modules=modules)
        except (ProviderUnavailable, ProviderRefused, ProviderNotConnected, WrongAccount) as error:
            log.warning("what a change of %s costs now is not known: %s", tenant.slug, error.message)
        else:
            assert shown.effects is not None  # there are modules
            return shown.effects
    return await tenants.plan(session, platform, tenant, frozenset(modules))


async def change_modules(
    session: AsyncSession, platform: Platform, tenant: Tenant, modules: Sequence[str], shown: PriceChange, *, actor: Actor
) -> tuple[tenants.Started, PriceChange]:
    """Change the modules and have it charged as it was `shown` a moment ago, when `tenant` was not locked yet. It is now.

    The price that holds: where anything it rests on changed meanwhile it says no `now`. Raises what `tenants.change_modules` raises.
    """
    row = await agreements.of(session, tenant.id, lock=True)
    if row is not None and shown.at is not None:
        same = not row.status.over
        if same:
            reckoned = await service.reckon(session, platform, tenant, row, None, modules)
            same = reckoned.confirmation(row, shown.at) == shown.confirmation
        if not same:
            shown = shown.model_copy(update={"now": None, "lines": [], "at": None, "confirmation": None})
    started = await tenants.change_modules(session, platform, tenant, frozenset(modules), actor=actor)
    if row is not None and shown.at is not None and started.operation is not None:
        row.prorate_at = shown.at
    return started, shown.model_copy(update={"confirmation": None})
