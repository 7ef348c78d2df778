"""Bank transfer as a payment provider: the same interface as Stripe's, over books of its own in the platform's database.

Every method is a transaction of its own and refers to none of the platform's rows, so it may be called from anywhere, as a remote
provider would be.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.database import Database
from control_plane.payments.errors import NotFromProvider, ProviderRefused
from control_plane.payments.manual import books
from control_plane.payments.manual.books import Terms
from control_plane.payments.manual.models import ManualCustomer, ManualInvoice, ManualSubscription
from control_plane.payments.manual.paper import Paper, paper_of
from control_plane.payments.manual.reckoning import ZERO, change_lines, total_of
from control_plane.payments.values import (
    CheckoutOutcome,
    Happening,
    Invoice,
    Item,
    Page,
    Payer,
    Preview,
    Subscription,
    SubscriptionStatus,
)

_NO_PAGE = "there is no page for bank transfers: the invoice says where to pay."


class ManualProvider:
    name = "manual"

    def __init__(
        self, database: Database, now: Callable[[], datetime], *, tax_percent: Decimal, due_days: int, issuer: str, pay_to: str
    ) -> None:
        self._database = database
        self._now = now
        self._terms = Terms(tax_percent, due_days, issuer, pay_to)

    async def account(self) -> str:
        return "books"

    async def ensure_customer(self, payer: Payer, known: str | None = None) -> str:
        id_ = known or f"man_{sha256(payer.reference.encode()).hexdigest()[:16]}"
        facts = {"name": payer.name, "email": payer.email, "country": payer.country, "tax_id": payer.tax_id}
        added = insert(ManualCustomer).values(id=id_, reference=payer.reference, **facts)
        async with self._database.transaction() as session:
            await session.execute(added.on_conflict_do_update(index_elements=["id"], set_=facts))
        return id_

    async def find_customer(self, reference: str) -> str | None:
        async with self._database.transaction() as session:
            query = select(ManualCustomer.id).where(ManualCustomer.reference == reference).order_by(ManualCustomer.id)
            found: str | None = await session.scalar(query.limit(1))
            return found

    async def checkout(
        self, tenant_id: UUID, customer: str, items: Sequence[Item], currency: str, *, trial_ends: datetime | None, back: str, key: str
    ) -> Page:
        raise ProviderRefused(_NO_PAGE)

    async def checkout_outcome(self, checkout: str) -> CheckoutOutcome:
        raise ProviderRefused(_NO_PAGE)

    async def expire_checkout(self, checkout: str) -> None:
        raise ProviderRefused(_NO_PAGE)

    async def portal(self, customer: str, back: str) -> Page:
        raise ProviderRefused(_NO_PAGE)

    async def start_trial(
        self, tenant_id: UUID, customer: str, items: Sequence[Item], currency: str, *, trial_ends: datetime, key: str
    ) -> Subscription:
        now = self._now()
        ends = max(trial_ends, now)
        facts = {
            "id": f"msub_{sha256(key.encode()).hexdigest()[:16]}",
            "tenant_id": tenant_id,
            "customer": customer,
            "status": SubscriptionStatus.TRIALING,
            "items": books.stored({item.key: item for item in items}),
            "currency": currency,
            "credit": ZERO,
            "trial_ends": ends if ends > now else None,
            "anchor": ends,
            "period_starts": now,
            "period_ends": ends,
            "cancels_at_period_end": False,
            "created_at": now,
        }
        async with self._database.transaction() as session:
            await session.execute(insert(ManualSubscription).values(**facts).on_conflict_do_nothing())
            # Before its first invoice is made.
            row = await session.get_one(ManualSubscription, facts["id"], with_for_update=True, populate_existing=True)
            await books.take_credit_along(session, row)
            return await self._shown(session, str(facts["id"]))

    async def subscription(self, id_: str) -> Subscription | None:
        async with self._database.transaction() as session:
            row = await books.locked(session, id_, self._now(), self._terms)
            return await books.shown_subscription(session, row, self._now()) if row else None

    async def subscriptions(self, customer: str) -> list[Subscription]:
        query = select(ManualSubscription).where(ManualSubscription.customer == customer).order_by(ManualSubscription.created_at)
        return [one async for one in self._all(query.with_only_columns(ManualSubscription.id))]

    async def all_subscriptions(self) -> AsyncIterator[Subscription]:
        query = select(ManualSubscription.id).where(ManualSubscription.ended_at.is_(None)).order_by(ManualSubscription.created_at)
        async for one in self._all(query):
            yield one

    async def _all(self, query: Select[str]) -> AsyncIterator[Subscription]:
        async with self._database.transaction() as session:
            ids = list(await session.scalars(query))
        for id_ in ids:
            found = await self.subscription(id_)
            if found is not None:
                yield found

    async def preview(self, subscription: str, items: Sequence[Item], *, at: datetime) -> Preview:
        async with self._database.transaction() as session:
            row = await self._row(session, subscription)
            monthly = sum((item.amount for item in items), ZERO)
            if row.status is SubscriptionStatus.TRIALING:
                return Preview(ZERO, monthly, row.currency, (), at)
            after = {item.key: item for item in items}
            lines = change_lines(books.items_of(row), after, starts=row.period_starts, ends=row.period_ends, at=at)
            return Preview(total_of(lines), monthly, row.currency, lines, at)

    async def set_items(self, subscription: str, items: Sequence[Item], *, at: datetime | None, key: str) -> Subscription:
        now = self._now()
        async with self._database.transaction() as session:
            row = await self._row(session, subscription)
            await books.change_items(session, row, {item.key: item for item in items}, at=at or now, now=now, terms=self._terms)
            return await books.shown_subscription(session, row, now)

    async def cancel(self, subscription: str, *, at_period_end: bool, key: str) -> Subscription:
        now = self._now()
        async with self._database.transaction() as session:
            row = await self._row(session, subscription)
            if at_period_end:
                row.cancels_at_period_end = True
            elif row.ended_at is None:
                await books.change_items(session, row, {}, at=now, now=now, terms=self._terms)
                await books.pay_from_credit(session, row, now)
                row.status, row.ended_at = SubscriptionStatus.CANCELED, now
            return await books.shown_subscription(session, row, now)

    async def keep(self, subscription: str, *, key: str) -> Subscription:
        async with self._database.transaction() as session:
            row = await self._row(session, subscription)
            row.cancels_at_period_end = False
            return await books.shown_subscription(session, row, self._now())

    async def resume(self, subscription: str, *, key: str) -> Subscription:
        async with self._database.transaction() as session:
            return await self._shown(session, subscription)

    async def invoices(self, customer: str) -> list[Invoice]:
        query = select(ManualInvoice).where(ManualInvoice.customer == customer).order_by(ManualInvoice.number.desc())
        async with self._database.transaction() as session:
            return [await books.shown_invoice(session, row) for row in await session.scalars(query)]

    async def invoice(self, id_: str) -> Invoice | None:
        async with self._database.transaction() as session:
            row = await session.get(ManualInvoice, id_)
            return await books.shown_invoice(session, row) if row else None

    async def paper(self, id_: str) -> Paper | None:
        """An invoice as it is printed."""
        async with self._database.transaction() as session:
            row = await session.get(ManualInvoice, id_)
            if row is None:
                return None
            return paper_of(row, await books.shown_invoice(session, row), self._terms)

    async def pay(self, invoice: str, *, key: str) -> Invoice:
        raise ProviderRefused("this invoice is paid by bank transfer; an operator records what arrives.")

    async def record_payment(self, invoice: str, amount: Decimal, *, received_on: date, reference: str, key: str, by: str) -> Invoice:
        """Write down money that arrived. Raises ProviderRefused."""
        async with self._database.transaction() as session:
            row = await books.record(
                session, invoice, amount, received_on=received_on, reference=reference, key=key, by=by, now=self._now()
            )
            return await books.shown_invoice(session, row)

    async def refund(self, invoice: str, amount: Decimal, *, reason: str, key: str) -> None:
        async with self._database.transaction() as session:
            await books.give_back(session, invoice, amount, reason=reason, key=key, now=self._now())

    async def forget(self, customer: str) -> None:
        """Invoices keep whom they were made out to, as the law of accounting asks."""
        async with self._database.transaction() as session:
            row = await session.get(ManualCustomer, customer, with_for_update=True)
            if row is not None:
                row.name, row.email, row.tax_id = "(erased)", "erased@invalid", None

    async def completed(self, happening: Happening) -> Happening:
        return happening

    def read_webhook(self, body: bytes, headers: Mapping[str, str]) -> Happening:
        raise NotFromProvider

    async def happenings(self, since: datetime) -> AsyncIterator[Happening]:
        """What happens to bank transfers is done here, and is read at once."""
        nothing: tuple[Happening, ...] = ()
        for happening in nothing:
            yield happening

    async def _row(self, session: AsyncSession, id_: str) -> ManualSubscription:
        row = await books.locked(session, id_, self._now(), self._terms)
        if row is None:
            raise ProviderRefused(f"there is no subscription {id_}.")
        return row

    async def _shown(self, session: AsyncSession, id_: str) -> Subscription:
        return await books.shown_subscription(session, await self._row(session, id_), self._now())
