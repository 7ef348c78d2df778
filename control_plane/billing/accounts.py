"""Whose account at a provider it is: before anything is changed there, the key must open the one this platform's customers are in."""

from sqlalchemy.dialects.postgresql import insert

from control_plane.billing.models import PaymentAccount
from control_plane.billing.states import ProviderName
from control_plane.payments.errors import WrongAccount
from control_plane.platform import Platform


async def guard(platform: Platform, name: ProviderName) -> None:
    """Before anything is changed. Raises WrongAccount where the provider's key opens another account than the one the customers are in."""
    if name in platform.payments.verified:
        return
    account = await platform.payments.get(name).account()
    async with platform.database.transaction() as session:
        row = insert(PaymentAccount).values(provider=name, account=account, bound_at=platform.clock.now()).on_conflict_do_nothing()
        await session.execute(row)
        bound = (await session.get_one(PaymentAccount, name)).account
    if bound != account:
        raise WrongAccount(bound, account)
    platform.payments.verified.add(name)
