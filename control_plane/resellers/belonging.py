"""Whose customer a tenant is, and by which prices it is charged."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.plans.tariff import Tariff
from control_plane.resellers import service
from control_plane.resellers.models import ResellerTenant
from control_plane.resellers.pricing import items
from control_plane.tenants.models import Tenant
from control_plane.tenants.states import TenantState


async def customer_of(session: AsyncSession, tenant_id: UUID, *, at: datetime | None = None) -> ResellerTenant | None:
    """Whose customer a tenant is, or was at a moment; None for a direct customer of the platform."""
    query = select(ResellerTenant).where(ResellerTenant.tenant_id == tenant_id)
    if at is None:
        query = query.where(ResellerTenant.until.is_(None))
    else:
        query = query.where(ResellerTenant.since <= at, func.coalesce(ResellerTenant.until > at, True))
    found: ResellerTenant | None = await session.scalar(query.order_by(ResellerTenant.number.desc()).limit(1))
    return found


def customers(reseller_id: UUID) -> Select[ResellerTenant]:
    """Those that are still there."""
    living = select(ResellerTenant).join(Tenant, Tenant.id == ResellerTenant.tenant_id)
    return living.where(ResellerTenant.reseller_id == reseller_id, ResellerTenant.until.is_(None), Tenant.state != TenantState.DELETED)


async def prices_for(
    session: AsyncSession, customer: ResellerTenant, tariff: Tariff, currency: str, *, at: datetime
) -> Mapping[str, Decimal]:
    """What is charged for each thing where it is not what the tariff says: the reseller's prices, or the wholesale ones where it pays."""
    priced = dict(items(await service.tariff_for(session, tariff, customer.reseller_id, customer.payer, at=at)))
    return {item: priced[item][currency] for item, listed in items(tariff) if priced[item][currency] != listed[currency]}
