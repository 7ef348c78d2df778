"""Subscriptions: what happens when somebody acts, and when a moment comes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from control_plane.simulators.stripe.book import Book, Object, listing
from control_plane.simulators.stripe.errors import Declined, invalid
from control_plane.simulators.stripe.invoices import LIVE, Invoices, Line, Rules
from control_plane.simulators.stripe.periods import DAY, period_at, share

_INCOMPLETE_FOR: Final = 23 * 3600
_WARNED_BEFORE: Final = 3 * DAY


@dataclass(frozen=True)
class Wanted:
    """One item as it is to be: an existing one (`item`), another price, or gone."""

    price: Object | None = None
    quantity: int | None = None
    item: Object | None = None
    deleted: bool = False
    metadata: dict[str, str] | None = None


class Billing:
    def __init__(self, book: Book, site: Callable[[], str], rules: Rules | None = None) -> None:
        """`site`: where the double's own pages are."""
        self.book = book
        self.rules = rules or Rules()
        self.invoices = Invoices(book, self.rules, site)

    # --- what somebody asks for

    def subscribe(
        self,
        customer: Object,
        wanted: list[Wanted],
        *,
        trial_end: int | None = None,
        payment_behavior: str = "allow_incomplete",
        on_session: bool = False,
        **facts: Any,
    ) -> Object:
        """A new subscription with its first invoice. Raises StripeError where nothing could be collected and that was not allowed."""
        book = self.book
        now = book.now(customer["id"])
        trial = trial_end is not None and trial_end > now
        prices = [each.price for each in wanted if each.price is not None]
        if not prices:
            raise invalid("Missing required param: items.", "items", "parameter_missing")
        interval = _interval(prices)
        method = facts.get("default_payment_method") or customer["invoice_settings"]["default_payment_method"]
        owed = sum(price["unit_amount"] * (each.quantity or 1) for price, each in zip(prices, wanted, strict=True))
        collected = facts.get("collection_method") != "send_invoice"
        if not trial and owed and method is None and collected and payment_behavior in ("allow_incomplete", "error_if_incomplete"):
            raise invalid("This customer has no attached payment source or default payment method.", code="resource_missing")
        anchor = trial_end if trial and trial_end is not None else now
        period = (now, anchor) if trial else period_at(anchor, *interval, now)
        subscription = book.new(
            "subscription",
            customer=customer["id"],
            status="trialing" if trial else "incomplete",
            currency=prices[0]["currency"],
            billing_cycle_anchor=anchor,
            start_date=now,
            trial_start=now if trial else None,
            trial_end=trial_end if trial else None,
            trial_settings=facts.get("trial_settings") or {"end_behavior": {"missing_payment_method": "create_invoice"}},
            cancel_at=facts.get("cancel_at"),
            cancel_at_period_end=bool(facts.get("cancel_at_period_end")),
            canceled_at=None,
            ended_at=None,
            cancellation_details={"comment": None, "feedback": None, "reason": None},
            collection_method=facts.get("collection_method") or "charge_automatically",
            days_until_due=facts.get("days_until_due"),
            default_payment_method=facts.get("default_payment_method"),
            default_tax_rates=facts.get("default_tax_rates") or [],
            description=facts.get("description"),
            latest_invoice=None,
            metadata=facts.get("metadata") or {},
            pause_collection=None,
            pending_setup_intent=None,
            test_clock=customer.get("test_clock"),
            _interval=list(interval),
            _period=list(period),
        )
        subscription["items"] = listing([], f"/v1/subscription_items?subscription={subscription['id']}")
        for each, price in zip(wanted, prices, strict=True):
            self._add_item(subscription, price, each.quantity or 1, each.metadata or {})
        book.event("customer.subscription.created", subscription)
        invoice = self.invoices.make(
            customer,
            [] if trial else self._period_lines(subscription),
            reason="subscription_create",
            currency=subscription["currency"],
            subscription=subscription,
        )
        self.invoices.finalize(invoice)
        if invoice["status"] == "open" and payment_behavior == "default_incomplete":
            invoice["next_payment_attempt"] = None
        elif invoice["status"] == "open" and collected:
            self._collect_first(subscription, invoice, strict=payment_behavior == "error_if_incomplete", on_session=on_session)
        elif not trial:
            book.changed("customer.subscription.updated", subscription, status="active")
        return subscription

    def _collect_first(self, subscription: Object, invoice: Object, *, strict: bool, on_session: bool) -> None:
        if self.invoices.attempt(invoice, off_session=not on_session, scheduled=not strict):
            return
        invoice["next_payment_attempt"] = None
        if strict:
            self.book.drop("subscription", subscription["id"])
            self.book.drop("invoice", invoice["id"])
            raise Declined("card_declined", None, "Your card was declined.")

    def change_items(self, subscription: Object, wanted: list[Wanted], *, behavior: str, at: int | None = None) -> Object:
        """Add, change and take away items. `behavior`: create_prorations | always_invoice | none."""
        book = self.book
        now = self._reckoned_at(subscription, at)
        lines = self.proration_lines(subscription, wanted, now) if behavior != "none" else []
        before = {"items": listing([dict(item) for item in subscription["items"]["data"]], subscription["items"]["url"])}
        for each in wanted:
            if each.item is None:
                assert each.price is not None
                self._add_item(subscription, each.price, each.quantity or 1, each.metadata or {})
            elif each.deleted:
                subscription["items"]["data"].remove(each.item)
                book.drop("subscription_item", each.item["id"])
            else:
                each.item["price"] = each.price or each.item["price"]
                each.item["quantity"] = each.item["quantity"] if each.quantity is None else each.quantity
                each.item["metadata"] = each.item["metadata"] if each.metadata is None else each.metadata
        if not subscription["items"]["data"]:
            raise invalid("A subscription must have at least one active plan.", "items")
        _interval([item["price"] for item in subscription["items"]["data"]])
        customer = book.get("customer", subscription["customer"])
        for line in lines:
            self._wait(subscription, line)
        book.event("customer.subscription.updated", subscription, before)
        if behavior == "always_invoice" and lines:
            invoice = self.invoices.make(
                customer, [], reason="subscription_update", currency=subscription["currency"], subscription=subscription
            )
            self.invoices.finalize(invoice)
            if invoice["status"] == "open" and subscription["collection_method"] == "charge_automatically":
                self.invoices.attempt(invoice)
        return subscription

    def _reckoned_at(self, subscription: Object, at: int | None) -> int:
        start, end = subscription["_period"]
        if at is not None and not start <= at <= end:
            raise invalid(f"Cannot specify proration date outside of current subscription period ({start} to {end}).", "proration_date")
        return at if at is not None else self.book.now(subscription["customer"])

    def proration_lines(self, subscription: Object, wanted: list[Wanted], now: int) -> list[Line]:
        """Credits for what is not used up, and what the rest of the period costs instead. Nothing during a trial."""
        start, end = subscription["_period"]
        if subscription["status"] == "trialing" or not start <= now < end:
            return []
        lines = []
        for each in wanted:
            old = (each.item["price"], each.item["quantity"]) if each.item is not None else None
            new = None if each.deleted else _become(each, old)
            if old == new:
                continue
            item = each.item["id"] if each.item is not None else None
            if old is not None:
                credit = -share(old[0]["unit_amount"] * old[1], start, end, now)
                lines.append(Line(credit, f"Unused time on {_named(self.book, *old)}", now, end, old[0], old[1], item, True))
            if new is not None:
                debit = share(new[0]["unit_amount"] * new[1], start, end, now)
                lines.append(Line(debit, f"Remaining time on {_named(self.book, *new)}", now, end, new[0], new[1], item, True))
        return lines

    def preview(self, subscription: Object, wanted: list[Wanted], *, behavior: str, at: int | None) -> Object:
        """What the next invoice would be; nothing is kept."""
        book = self.book
        customer = book.get("customer", subscription["customer"])
        now = self._reckoned_at(subscription, at)
        lines = self.proration_lines(subscription, wanted, now) if behavior != "none" else []
        if behavior != "always_invoice":
            changed = {each.item["id"]: each for each in wanted if each.item is not None}
            start, end = _period_of(subscription, subscription["_period"][1])
            for item in subscription["items"]["data"]:
                each = changed.get(item["id"], Wanted(item=item))
                if not each.deleted:
                    quantity = item["quantity"] if each.quantity is None else each.quantity
                    lines.append(self._period_line(each.price or item["price"], quantity, start, end, item["id"]))
            lines += [
                self._period_line(each.price, each.quantity or 1, start, end, None) for each in wanted if each.item is None and each.price
            ]
        waiting = {one["id"] for one in book.of("invoiceitem", customer=customer["id"], invoice=None)}
        silent, book.on_event = book.on_event, lambda event: None
        latest, events = subscription["latest_invoice"], dict(book.objects.get("event", {}))
        try:
            draft = self.invoices.make(customer, lines, reason="upcoming", currency=subscription["currency"], subscription=subscription)
        finally:
            book.on_event, subscription["latest_invoice"] = silent, latest
            book.objects["event"] = events
        book.drop("invoice", draft["id"])
        for one in book.all("invoiceitem"):
            if one["id"] in waiting:
                one["invoice"] = None
        draft["id"] = f"upcoming_{draft['id']}"
        draft["parent"]["subscription_details"]["subscription_proration_date"] = now if lines else None
        return draft

    def end_trial(self, subscription: Object, *, at_once: bool = False) -> None:
        """The trial is over: the first paid period begins, or what the clinic chose for the case that there is no card."""
        book = self.book
        customer = book.get("customer", subscription["customer"])
        now = book.now(customer["id"])
        missing = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
        method = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
        subscription["trial_end"] = now
        if method is None and missing == "cancel":
            self.cancel(subscription)
        elif method is None and missing == "pause":
            subscription["status"] = "paused"
            book.event("customer.subscription.paused", subscription)
        else:
            subscription["billing_cycle_anchor"] = now
            self._begin_period(subscription, now, status="active", reason="subscription_cycle", at_once=at_once)

    def resume(self, subscription: Object) -> Object:
        """From paused to active: a new period begins now and is paid at once."""
        if subscription["status"] != "paused":
            raise invalid("This subscription cannot be resumed because it is not paused.")
        now = self.book.now(subscription["customer"])
        subscription["billing_cycle_anchor"] = now
        self._begin_period(subscription, now, status="active", reason="subscription_cycle", at_once=True)
        self.book.event("customer.subscription.resumed", subscription)
        return subscription

    def cancel(self, subscription: Object, *, prorate: bool = False, invoice_now: bool = False, reason: str | None = None) -> Object:
        if subscription["status"] in ("canceled", "incomplete_expired"):
            raise invalid(f"No such subscription: '{subscription['id']}'", "id", "resource_missing")
        book = self.book
        now = book.now(subscription["customer"])
        if prorate:
            gone = [Wanted(item=item, deleted=True) for item in subscription["items"]["data"]]
            for line in self.proration_lines(subscription, gone, now):
                self._wait(subscription, line)
        subscription.update(status="canceled", canceled_at=now, ended_at=now)
        subscription["cancellation_details"]["reason"] = reason or "cancellation_requested"
        for invoice in self._invoices_of(subscription, "draft", "open"):
            invoice.update(auto_advance=False, next_payment_attempt=None)
        if invoice_now and (prorate or self._waiting(subscription)):
            customer = book.get("customer", subscription["customer"])
            final = self.invoices.make(
                customer, [], reason="subscription_update", currency=subscription["currency"], subscription=subscription
            )
            self.invoices.finalize(final)
            if final["status"] == "open":
                self.invoices.attempt(final)
        book.event("customer.subscription.deleted", subscription)
        return subscription

    # --- what happens when a moment comes

    def run_until(self, moment: int, mine: Callable[[str], bool] = lambda customer: True) -> None:
        """Do, in order, everything that is due by `moment` for the customers that are `mine`, each at its own time."""
        while due := min(
            ((when, number, act) for number, (when, act) in enumerate(self._due(mine)) if when <= moment),
            default=None,
            key=lambda one: one[:2],
        ):
            with self.book.at(due[0]):
                due[2]()

    def _due(self, mine: Callable[[str], bool]) -> Iterator[tuple[int, Callable[[], object]]]:
        for subscription in self.book.all("subscription"):
            if mine(subscription["customer"]):
                yield from self._due_of(subscription)
        for invoice in self.book.all("invoice"):
            if not mine(invoice["customer"]):
                continue
            if invoice["status"] == "draft" and invoice["auto_advance"] and "_finalize_at" in invoice:
                yield invoice["_finalize_at"], partial(self.invoices.finalize, invoice)
            if invoice["status"] == "open" and invoice["next_payment_attempt"] is not None:
                yield invoice["next_payment_attempt"], partial(self.invoices.attempt, invoice)
        for session in self.book.all("checkout.session"):
            if session["status"] == "open" and mine(session["customer"] or ""):
                yield session["expires_at"], partial(self.expire_session, session)

    def _due_of(self, subscription: Object) -> Iterator[tuple[int, Callable[[], object]]]:
        status, end = subscription["status"], subscription["_period"][1]
        if status not in LIVE:
            return
        if subscription["cancel_at"] is not None:
            yield subscription["cancel_at"], lambda: self.cancel(subscription)
        if status == "incomplete":
            yield subscription["created"] + _INCOMPLETE_FOR, lambda: self._expire(subscription)
        elif status == "trialing":
            if not subscription.get("_warned"):
                yield max(subscription["trial_end"] - _WARNED_BEFORE, subscription["created"]), lambda: self._warn(subscription)
            yield subscription["trial_end"], lambda: self._over(subscription)
        elif status != "paused":
            yield end, lambda: self._over(subscription)

    def _warn(self, subscription: Object) -> None:
        subscription["_warned"] = True
        self.book.event("customer.subscription.trial_will_end", subscription)

    def _over(self, subscription: Object) -> None:
        """The end of a period: the next one, the end of a trial, or the end."""
        if subscription["cancel_at_period_end"]:
            self.cancel(subscription)
        elif subscription["status"] == "trialing":
            self.end_trial(subscription)
        else:
            self._begin_period(subscription, self.book.now(subscription["customer"]), status=None, reason="subscription_cycle")

    def _expire(self, subscription: Object) -> None:
        for invoice in self._invoices_of(subscription, "open"):
            self.invoices.void(invoice)
        self.book.changed(
            "customer.subscription.updated", subscription, status="incomplete_expired", ended_at=self.book.now(subscription["customer"])
        )

    def expire_session(self, session: Object) -> Object:
        session.update(status="expired", url=None)
        self.book.event("checkout.session.expired", session)
        return session

    def _begin_period(self, subscription: Object, now: int, *, status: str | None, reason: str, at_once: bool = False) -> None:
        book = self.book
        customer = book.get("customer", subscription["customer"])
        previous = {"status": subscription["status"], "trial_end": subscription["trial_end"]}
        subscription["_period"] = list(_period_of(subscription, now))
        for item in subscription["items"]["data"]:
            item["current_period_start"], item["current_period_end"] = subscription["_period"]
        subscription["status"] = status or subscription["status"]
        book.event("customer.subscription.updated", subscription, previous)
        unpaid = subscription["status"] == "unpaid"
        invoice = self.invoices.make(
            customer,
            self._period_lines(subscription),
            reason=reason,
            currency=subscription["currency"],
            subscription=subscription,
            auto_advance=not unpaid,
        )
        if (subscription["pause_collection"] or {}).get("behavior") == "void":
            invoice["auto_advance"] = False
            self.invoices.finalize(invoice)
            if invoice["status"] == "open":
                self.invoices.void(invoice)
        elif at_once:
            self.invoices.finalize(invoice)
            if invoice["status"] == "open" and subscription["collection_method"] == "charge_automatically":
                self.invoices.attempt(invoice)
        elif not unpaid:
            invoice["_finalize_at"] = now + self.rules.finalize_after

    # --- parts

    def _add_item(self, subscription: Object, price: Object, quantity: int, metadata: dict[str, str]) -> Object:
        start, end = subscription["_period"]
        item = self.book.new(
            "subscription_item",
            subscription=subscription["id"],
            price=price,
            quantity=quantity,
            metadata=metadata,
            current_period_start=start,
            current_period_end=end,
            discounts=[],
            tax_rates=[],
        )
        item["created"] = self.book.now(subscription["customer"])
        subscription["items"]["data"].append(item)
        return item

    def _period_lines(self, subscription: Object) -> list[Line]:
        start, end = subscription["_period"]
        return [self._period_line(item["price"], item["quantity"], start, end, item["id"]) for item in subscription["items"]["data"]]

    def _period_line(self, price: Object, quantity: int, start: int, end: int, item: str | None) -> Line:
        return Line(price["unit_amount"] * quantity, _named(self.book, price, quantity), start, end, price, quantity, item)

    def _wait(self, subscription: Object, line: Line) -> Object:
        """Keep a line for the subscription's next invoice."""
        return self.book.new(
            "invoiceitem",
            customer=subscription["customer"],
            amount=line.amount,
            currency=subscription["currency"],
            description=line.description,
            invoice=None,
            quantity=line.quantity,
            proration=line.proration,
            period={"start": line.start, "end": line.end},
            metadata={},
            _subscription=subscription["id"],
            _price=line.price,
            _item=line.item,
        )

    def _waiting(self, subscription: Object) -> bool:
        return any(one["_subscription"] == subscription["id"] for one in self.book.of("invoiceitem", invoice=None))

    def _invoices_of(self, subscription: Object, *statuses: str) -> list[Object]:
        def its(invoice: Object) -> bool:
            found = self.invoices.subscription(invoice)
            return found is not None and found["id"] == subscription["id"]

        return [invoice for invoice in self.book.all("invoice") if invoice["status"] in statuses and its(invoice)]


def _become(wanted: Wanted, old: tuple[Object, int] | None) -> tuple[Object, int]:
    price = wanted.price or (old[0] if old else None)
    assert price is not None, "an item is named, or has a price"
    return price, wanted.quantity if wanted.quantity is not None else (old[1] if old else 1)


def _period_of(subscription: Object, moment: int) -> tuple[int, int]:
    interval, count = subscription["_interval"]
    return period_at(subscription["billing_cycle_anchor"], interval, count, moment)


def _interval(prices: list[Object]) -> tuple[str, int]:
    found = {(price["recurring"]["interval"], price["recurring"]["interval_count"]) if price["recurring"] else None for price in prices}
    currencies = {price["currency"] for price in prices}
    one = found.pop()
    if one is None or found or len(currencies) > 1:
        raise invalid("All prices of a subscription must recur at the same interval, in the same currency.", "items")
    return one


def _named(book: Book, price: Object, quantity: int) -> str:
    product = book.find("product", price["product"])
    return f"{quantity} × {product['name'] if product else price['id']}"
