"""The HTTP interface's verbs per resource: from parameters to objects."""

import secrets
from collections.abc import Callable
from typing import Any, Final

from control_plane.simulators.stripe import payments
from control_plane.simulators.stripe.billing import Billing, Wanted
from control_plane.simulators.stripe.book import Book, Object
from control_plane.simulators.stripe.errors import invalid
from control_plane.simulators.stripe.forms import Parameters
from control_plane.simulators.stripe.periods import DAY

TAX_ID_TYPES: Final = frozenset({"es_cif", "eu_vat", "de_stn", "gb_vat", "ch_vat", "ch_uid", "no_vat"})
_SESSION_DAYS: Final = 1


class Resources:
    """What an account's key may do. Methods are named `<verb>_<resource>`; each takes the parameters and gives the object."""

    def __init__(self, book: Book, billing: Billing, site: Callable[[], str]) -> None:
        self.book = book
        self.billing = billing
        self._site = site

    # --- customers

    def create_customer(self, given: Parameters) -> Object:
        clock = given.text("test_clock")
        if clock:
            self.book.get("test_helpers.test_clock", clock, "test_clock")
        customer = self.book.new(
            "customer",
            email=None,
            name=None,
            phone=None,
            description=None,
            address=None,
            balance=0,
            currency=None,
            delinquent=False,
            default_source=None,
            invoice_prefix=secrets.token_hex(4).upper(),
            invoice_settings={"default_payment_method": None, "custom_fields": None, "footer": None},
            metadata={},
            preferred_locales=[],
            tax_exempt="none",
            test_clock=clock,
        )
        customer["created"] = self.book.now(customer["id"])
        self._fill_customer(customer, given)
        method = given.text("payment_method")
        tax_ids = given.array("tax_id_data") or []
        given.done()
        self.book.event("customer.created", customer)
        if method:
            payments.attach(self.book, payments.method(self.book, method), customer["id"])
        for one in tax_ids:
            self.create_tax_id(customer, Parameters(one, "tax_id_data."))
        return customer

    def update_customer(self, customer: Object, given: Parameters) -> Object:
        before = {name: customer[name] for name in ("email", "name", "address", "metadata", "invoice_settings", "balance")}
        before = {name: dict(value) if isinstance(value, dict) else value for name, value in before.items()}
        self._fill_customer(customer, given)
        given.done()
        changed = {name: value for name, value in before.items() if customer[name] != value}
        if changed:
            self.book.event("customer.updated", customer, changed)
        return customer

    def _fill_customer(self, customer: Object, given: Parameters) -> None:
        for name in ("email", "name", "phone", "description"):
            customer[name] = given.text(name, customer[name]) or None
        if given.has("address"):
            address = given.hash("address")
            customer["address"] = {part: address.text(part) for part in ("line1", "line2", "city", "postal_code", "state", "country")}
            address.done()
        if given.has("balance"):
            customer["balance"] = given.number("balance", 0)
        if given.has("preferred_locales"):
            customer["preferred_locales"] = given.array("preferred_locales")
        settings = given.hash("invoice_settings")
        method = settings.text("default_payment_method")
        settings.done()
        if method is not None:
            stored = payments.method(self.book, method, "invoice_settings.default_payment_method")
            if stored["customer"] != customer["id"]:
                payments.attach(self.book, stored, customer["id"])
            customer["invoice_settings"]["default_payment_method"] = stored["id"]
        customer["tax_exempt"] = given.choice("tax_exempt", ("none", "exempt", "reverse"), customer["tax_exempt"])
        customer["metadata"] = given.metadata(customer["metadata"])

    def delete_customer(self, customer: Object, given: Parameters) -> Object:
        """Gone, with its subscriptions; its invoices stay."""
        given.done()
        for subscription in self.book.of("subscription", customer=customer["id"]):
            if subscription["status"] not in ("canceled", "incomplete_expired"):
                self.billing.cancel(subscription)
        self.book.event("customer.deleted", customer)
        kept = {"id": customer["id"], "object": "customer", "deleted": True}
        customer["deleted"] = True
        return kept

    def create_tax_id(self, customer: Object, given: Parameters) -> Object:
        kind = given.choice("type", TAX_ID_TYPES)
        if kind is None:
            raise invalid("Missing required param: type.", "type", "parameter_missing")
        value = given.needed("value")
        given.done()
        made = self.book.new(
            "tax_id",
            customer=customer["id"],
            type=kind,
            value=value,
            country=kind[:2].upper() if kind != "eu_vat" else value[:2].upper(),
            verification={"status": "pending", "verified_address": None, "verified_name": None},
        )
        self.book.event("customer.tax_id.created", made)
        return made

    def delete_tax_id(self, customer: Object, tax_id: Object, given: Parameters) -> Object:
        given.done()
        self.book.drop("tax_id", tax_id["id"])
        self.book.event("customer.tax_id.deleted", tax_id)
        return {"id": tax_id["id"], "object": "tax_id", "deleted": True}

    # --- what is sold

    def create_product(self, given: Parameters) -> Object:
        id_ = given.text("id")
        product = self.book.new(
            "product",
            name=given.needed("name"),
            active=given.flag("active", True),
            description=given.text("description"),
            metadata=given.metadata(),
            tax_code=given.text("tax_code"),
            images=[],
        )
        if id_:
            if self.book.find("product", id_):
                self.book.drop("product", product["id"])
                raise invalid(f"Product already exists: {id_}", "id", "resource_already_exists")
            self.book.drop("product", product["id"])
            product["id"] = id_
            self.book.objects["product"][id_] = product
        given.done()
        self.book.event("product.created", product)
        return product

    def update_product(self, product: Object, given: Parameters) -> Object:
        product["name"] = given.text("name", product["name"])
        product["description"] = given.text("description", product["description"])
        product["active"] = given.flag("active", product["active"])
        product["metadata"] = given.metadata(product["metadata"])
        given.done()
        self.book.event("product.updated", product)
        return product

    def create_price(self, given: Parameters) -> Object:
        product = self.book.get("product", given.needed("product"), "product")
        amount = given.number("unit_amount")
        if amount is None or amount < 0:
            raise invalid("Missing required param: unit_amount.", "unit_amount", "parameter_missing")
        recurring: Object | None = None
        if given.has("recurring"):
            every = given.hash("recurring")
            recurring = {
                "interval": every.choice("interval", ("day", "week", "month", "year")),
                "interval_count": every.number("interval_count", 1),
                "usage_type": every.choice("usage_type", ("licensed",), "licensed"),
            }
            every.done()
        key, moved = given.text("lookup_key"), given.flag("transfer_lookup_key", False)
        for other in self.book.all("price"):
            if key and other["lookup_key"] == key:
                if not moved:
                    raise invalid(f"A price (`{other['id']}`) already uses that lookup key.", "lookup_key")
                other["lookup_key"] = None
        price = self.book.new(
            "price",
            product=product["id"],
            unit_amount=amount,
            unit_amount_decimal=str(amount),
            currency=given.needed("currency").lower(),
            recurring=recurring,
            type="recurring" if recurring else "one_time",
            lookup_key=key,
            nickname=given.text("nickname"),
            active=given.flag("active", True),
            billing_scheme="per_unit",
            tax_behavior=given.choice("tax_behavior", ("exclusive", "inclusive", "unspecified"), "unspecified"),
            metadata=given.metadata(),
        )
        given.done()
        self.book.event("price.created", price)
        return price

    def update_price(self, price: Object, given: Parameters) -> Object:
        price["active"] = given.flag("active", price["active"])
        price["nickname"] = given.text("nickname", price["nickname"])
        price["lookup_key"] = given.text("lookup_key", price["lookup_key"])
        given.ignore("transfer_lookup_key")
        price["metadata"] = given.metadata(price["metadata"])
        given.done()
        self.book.event("price.updated", price)
        return price

    def create_tax_rate(self, given: Parameters) -> Object:
        rate = self.book.new(
            "tax_rate",
            display_name=given.needed("display_name"),
            percentage=float(given.needed("percentage")),
            inclusive=given.flag("inclusive", False),
            country=given.text("country"),
            active=True,
            metadata=given.metadata(),
        )
        given.done()
        return rate

    # --- cards

    def create_payment_method(self, given: Parameters) -> Object:
        given.choice("type", ("card",))
        card = given.hash("card")
        number = card.text("number")
        token = card.text("token")
        card.ignore("exp_month", "exp_year", "cvc")
        card.done()
        details = given.hash("billing_details")
        email = details.text("email")
        given.done()
        if number is None:
            number = payments.TOKENS.get(f"pm_card_{(token or '').removeprefix('tok_')}", "")
        return payments.make_method(self.book, number, email=email)

    def attach_payment_method(self, stored: Object, given: Parameters) -> Object:
        customer = self.book.get("customer", given.needed("customer"), "customer")
        given.done()
        return payments.attach(self.book, stored, customer["id"])

    def detach_payment_method(self, stored: Object, given: Parameters) -> Object:
        given.done()
        owner = self.book.find("customer", stored["customer"])
        if owner is not None and owner["invoice_settings"]["default_payment_method"] == stored["id"]:
            owner["invoice_settings"]["default_payment_method"] = None
        stored["customer"] = None
        self.book.event("payment_method.detached", stored)
        return stored

    def create_setup_intent(self, given: Parameters) -> Object:
        customer = given.text("customer")
        if customer:
            self.book.get("customer", customer, "customer")
        method = given.text("payment_method")
        given.ignore("payment_method_types", "automatic_payment_methods", "description")
        usage = given.choice("usage", ("off_session", "on_session"), "off_session")
        confirm = given.flag("confirm", False)
        intent = self.book.new(
            "setup_intent",
            customer=customer,
            payment_method=None,
            status="requires_payment_method",
            usage=usage,
            last_setup_error=None,
            next_action=None,
            metadata=given.metadata(),
        )
        intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(6)}"
        given.ignore("return_url")
        given.done()
        self.book.event("setup_intent.created", intent)
        return self.confirm_setup(intent, method) if confirm and method else intent

    def confirm_setup_intent(self, intent: Object, given: Parameters) -> Object:
        method = given.text("payment_method") or intent["payment_method"]
        given.ignore("return_url")
        given.done()
        if not method:
            raise invalid("Missing required param: payment_method.", "payment_method", "parameter_missing")
        return self.confirm_setup(intent, method)

    def confirm_setup(self, intent: Object, method: str, *, authenticated: bool = False) -> Object:
        """Store the card for later; one that asks for authentication waits for it."""
        stored = payments.method(self.book, method)
        intent["payment_method"] = stored["id"]
        if payments.card_of(stored).authentication != "never" and not authenticated:
            intent.update(status="requires_action", next_action={"type": "use_stripe_sdk"})
            self.book.event("setup_intent.requires_action", intent)
            return intent
        if intent["customer"]:
            payments.attach(self.book, stored, intent["customer"])
        stored["_authenticated"] = True
        intent.update(status="succeeded", next_action=None)
        self.book.event("setup_intent.succeeded", intent)
        return intent

    # --- subscriptions

    def create_subscription(self, given: Parameters) -> Object:
        customer = self.book.get("customer", given.needed("customer"), "customer")
        now = self.book.now(customer["id"])
        trial_days, trial_end = given.number("trial_period_days"), given.moment("trial_end", now)
        wanted = self._wanted(given.array("items") or [], None)
        facts = self._subscription_facts(given, customer)
        behavior = given.choice("payment_behavior", ("allow_incomplete", "default_incomplete", "error_if_incomplete"), "allow_incomplete")
        facts["metadata"] = given.metadata()
        given.choice("proration_behavior", ("create_prorations", "always_invoice", "none"))
        off_session = given.flag("off_session", True)
        given.done()
        return self.billing.subscribe(
            customer,
            wanted,
            trial_end=trial_end if trial_end is not None else now + trial_days * DAY if trial_days else None,
            payment_behavior=behavior or "allow_incomplete",
            on_session=not off_session,
            **facts,
        )

    def _subscription_facts(self, given: Parameters, customer: Object) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "collection_method": given.choice("collection_method", ("charge_automatically", "send_invoice")),
            "days_until_due": given.number("days_until_due"),
            "description": given.text("description"),
            "cancel_at_period_end": given.flag("cancel_at_period_end"),
            "cancel_at": given.moment("cancel_at", self.book.now(customer["id"])),
        }
        method = given.text("default_payment_method")
        if method:
            stored = payments.method(self.book, method, "default_payment_method")
            facts["default_payment_method"] = payments.attach(self.book, stored, customer["id"])["id"]
        if given.has("default_tax_rates"):
            rates = given.array("default_tax_rates") or []
            facts["default_tax_rates"] = [self.book.get("tax_rate", rate, "default_tax_rates") for rate in rates]
        if given.has("trial_settings"):
            end = given.hash("trial_settings").hash("end_behavior")
            missing = end.choice("missing_payment_method", ("create_invoice", "cancel", "pause"))
            facts["trial_settings"] = {"end_behavior": {"missing_payment_method": missing}}
        given.ignore("payment_settings", "automatic_tax")
        return facts

    def update_subscription(self, subscription: Object, given: Parameters) -> Object:
        if subscription["status"] in ("canceled", "incomplete_expired"):
            raise invalid("A canceled subscription can only update its cancellation_details and metadata.")
        book, customer = self.book, self.book.get("customer", subscription["customer"])
        now = book.now(customer["id"])
        behavior = given.choice("proration_behavior", ("create_prorations", "always_invoice", "none"), "create_prorations")
        at = given.number("proration_date")
        wanted = self._wanted(given.array("items") or [], subscription)
        ends_now = given.has("trial_end")
        trial_end = given.moment("trial_end", now)
        pause = given.hash("pause_collection") if given.has("pause_collection") else None
        facts = {name: value for name, value in self._subscription_facts(given, customer).items() if value is not None}
        metadata = given.metadata(subscription["metadata"])
        given.choice("payment_behavior", ("allow_incomplete", "pending_if_incomplete", "error_if_incomplete", "default_incomplete"))
        given.ignore("off_session", "cancellation_details")
        given.done()
        if wanted:
            self.billing.change_items(subscription, wanted, behavior=behavior or "create_prorations", at=at)
        if pause is not None:
            kind = pause.choice("behavior", ("void", "keep_as_draft", "mark_uncollectible"))
            facts["pause_collection"] = {"behavior": kind, "resumes_at": pause.number("resumes_at")} if kind else None
        previous = {name: subscription[name] for name, value in {**facts, "metadata": metadata}.items() if subscription[name] != value}
        if previous:
            subscription.update(facts, metadata=metadata)
            book.event("customer.subscription.updated", subscription, previous)
        if ends_now and trial_end is not None and subscription["status"] == "trialing":
            if trial_end <= now:
                self.billing.end_trial(subscription, at_once=True)
            else:
                subscription["_period"][1] = subscription["billing_cycle_anchor"] = trial_end
                book.changed("customer.subscription.updated", subscription, trial_end=trial_end)
        return subscription

    def cancel_subscription(self, subscription: Object, given: Parameters) -> Object:
        invoice_now, prorate = given.flag("invoice_now", False), given.flag("prorate", False)
        given.ignore("cancellation_details")
        given.done()
        return self.billing.cancel(subscription, prorate=bool(prorate), invoice_now=bool(invoice_now))

    def _wanted(self, items: list[Any], subscription: Object | None) -> list[Wanted]:
        wanted = []
        for number, one in enumerate(items):
            each = Parameters(one, f"items[{number}].")
            id_, price = each.text("id"), each.text("price")
            item = None
            if id_ is not None and subscription is not None:
                item = next((known for known in subscription["items"]["data"] if known["id"] == id_), None)
                if item is None:
                    raise invalid(f"No such subscription item: '{id_}'", f"items[{number}][id]", "resource_missing")
            found = self.book.get("price", price, f"items[{number}][price]") if price else None
            if found is None and item is None:
                raise invalid("Missing required param: price.", f"items[{number}][price]", "parameter_missing")
            if (
                subscription is not None
                and item is None
                and any(found is not None and known["price"]["id"] == found["id"] for known in subscription["items"]["data"])
            ):
                raise invalid("Cannot add multiple subscription items with the same plan.", f"items[{number}][price]")
            metadata = each.metadata() if each.has("metadata") else None
            wanted.append(Wanted(found, each.number("quantity"), item, bool(each.flag("deleted", False)), metadata))
            each.done()
        return wanted

    # --- invoices

    def preview_invoice(self, given: Parameters) -> Object:
        customer, id_ = given.text("customer"), given.text("subscription")
        details = given.hash("subscription_details")
        if id_ is None:
            raise invalid("This double previews invoices of a subscription only.", "subscription")
        subscription = self.book.get("subscription", id_, "subscription")
        if customer not in (None, subscription["customer"]):
            raise invalid("The subscription belongs to another customer.", "customer")
        wanted = self._wanted(details.array("items") or [], subscription)
        behavior = details.choice("proration_behavior", ("create_prorations", "always_invoice", "none"), "create_prorations")
        at = details.number("proration_date")
        details.done()
        given.done()
        return self.billing.preview(subscription, wanted, behavior=behavior or "create_prorations", at=at)

    def pay_invoice(self, invoice: Object, given: Parameters) -> Object:
        method = given.text("payment_method")
        out_of_band, off_session = given.flag("paid_out_of_band", False), given.flag("off_session", False)
        given.done()
        if method:
            method = payments.attach(self.book, payments.method(self.book, method), invoice["customer"])["id"]
        return self.billing.invoices.pay(invoice, method=method, out_of_band=bool(out_of_band), off_session=bool(off_session))

    def create_refund(self, given: Parameters) -> Object:
        id_, intent = given.text("charge"), given.text("payment_intent")
        if id_ is None and intent is not None:
            id_ = self.book.get("payment_intent", intent, "payment_intent")["latest_charge"]
        if id_ is None:
            raise invalid("One of the following params should be provided: charge, payment_intent.")
        charge = self.book.get("charge", id_, "charge")
        amount, reason = given.number("amount"), given.choice("reason", ("duplicate", "fraudulent", "requested_by_customer"))
        metadata = given.metadata()
        given.done()
        return payments.refund(self.book, charge, amount, reason, metadata)

    # --- pages people are sent to

    def create_checkout_session(self, given: Parameters) -> Object:
        mode = given.choice("mode", ("subscription", "setup"))
        if mode is None:
            raise invalid("Missing required param: mode.", "mode", "parameter_missing")
        customer = given.text("customer")
        if customer:
            self.book.get("customer", customer, "customer")
        lines = given.array("line_items") or []
        data = given.hash("subscription_data")
        session = self.book.new(
            "checkout.session",
            mode=mode,
            status="open",
            payment_status="unpaid" if mode == "subscription" else "no_payment_required",
            customer=customer,
            customer_email=given.text("customer_email"),
            client_reference_id=given.text("client_reference_id"),
            success_url=given.needed("success_url"),
            cancel_url=given.text("cancel_url"),
            currency=given.text("currency"),
            locale=given.text("locale"),
            payment_method_collection=given.choice("payment_method_collection", ("always", "if_required"), "always"),
            subscription=None,
            setup_intent=None,
            metadata=given.metadata(),
            expires_at=given.number("expires_at") or self.book.now(customer) + _SESSION_DAYS * DAY,
            _lines=[
                {"price": each.needed("price"), "quantity": each.number("quantity", 1)}
                for each in (Parameters(line, "line_items.") for line in lines)
            ],
            _subscription={
                "metadata": data.metadata(),
                "trial_period_days": data.number("trial_period_days"),
                "trial_end": data.number("trial_end"),
                "default_tax_rates": data.array("default_tax_rates") or [],
                "trial_settings": {
                    "end_behavior": {
                        "missing_payment_method": data.hash("trial_settings").hash("end_behavior").text("missing_payment_method")
                        or "create_invoice"
                    }
                },
            },
        )
        given.ignore("tax_id_collection", "allow_promotion_codes", "billing_address_collection", "customer_update", "automatic_tax")
        given.ignore("payment_method_types", "setup_intent_data", "ui_mode", "custom_text")
        try:
            given.done()
            for line in session["_lines"]:
                self.book.get("price", line["price"], "line_items.price")
            if (ends := session["_subscription"]["trial_end"]) and ends < session["created"] + 2 * DAY:
                raise invalid("The `trial_end` date has to be at least 2 days in the future.", "subscription_data[trial_end]")
            if mode == "subscription" and not session["_lines"]:
                raise invalid("Missing required param: line_items.", "line_items", "parameter_missing")
        except Exception:
            self.book.drop("checkout.session", session["id"])
            raise
        session["url"] = f"{self._site()}/checkout/{session['id']}"
        return session

    def complete_checkout(self, session: Object, number: str | None, *, email: str | None = None, authenticated: bool = False) -> Object:
        """What happens when a person submits the page. Raises StripeError where the card is refused; the page then stays open."""
        if session["status"] != "open":
            raise invalid("This Checkout Session is no longer open.", code="checkout_session_not_open")
        book = self.book
        stored = payments.make_method(book, number) if number else None
        if stored is None and (session["payment_method_collection"] == "always" or session["mode"] == "setup"):
            raise invalid("A card is needed.", "card")
        if stored is not None and payments.card_of(stored).authentication != "never" and not authenticated:
            raise invalid("The cardholder must authenticate.", code="authentication_required")
        customer = book.find("customer", session["customer"])
        if customer is None:
            customer = self.create_customer(Parameters({"email": email or session["customer_email"] or ""}))
            session["customer"] = customer["id"]
        if stored is not None:
            payments.attach(book, stored, customer["id"])
            stored["_authenticated"] = True
        if session["mode"] == "setup":
            intent = self.create_setup_intent(Parameters({"customer": customer["id"]}))
            intent["metadata"] = dict(session["metadata"])
            assert stored is not None
            session["setup_intent"] = self.confirm_setup(intent, stored["id"], authenticated=True)["id"]
        else:
            self._subscribe(session, customer, stored)
        session.update(status="complete", url=None, payment_status="paid" if session["mode"] == "subscription" else "no_payment_required")
        book.event("checkout.session.completed", session)
        return session

    def _subscribe(self, session: Object, customer: Object, stored: Object | None) -> None:
        book, facts = self.book, session["_subscription"]
        now = book.now(customer["id"])
        days = facts["trial_period_days"]
        subscription = self.billing.subscribe(
            customer,
            [Wanted(book.get("price", line["price"]), line["quantity"]) for line in session["_lines"]],
            trial_end=facts["trial_end"] or (now + days * DAY if days else None),
            payment_behavior="error_if_incomplete",
            on_session=True,
            default_payment_method=stored["id"] if stored else None,
            metadata=facts["metadata"],
            trial_settings=facts["trial_settings"],
            default_tax_rates=[book.get("tax_rate", rate) for rate in facts["default_tax_rates"]],
        )
        session["subscription"] = subscription["id"]

    def create_portal_session(self, given: Parameters) -> Object:
        customer = self.book.get("customer", given.needed("customer"), "customer")
        session = self.book.new(
            "billing_portal.session", customer=customer["id"], return_url=given.text("return_url"), locale=given.text("locale"), flow=None
        )
        given.ignore("flow_data", "configuration")
        given.done()
        session["url"] = f"{self._site()}/portal/{session['id']}"
        return session

    # --- webhooks and clocks

    def create_webhook_endpoint(self, given: Parameters) -> Object:
        secret = f"whsec_{secrets.token_hex(16)}"
        endpoint = self.book.new(
            "webhook_endpoint",
            url=given.needed("url"),
            enabled_events=given.array("enabled_events") or ["*"],
            status="enabled",
            description=given.text("description"),
            api_version=given.text("api_version"),
            metadata=given.metadata(),
            _secret=secret,
        )
        given.done()
        return {**endpoint, "secret": secret}

    def update_webhook_endpoint(self, endpoint: Object, given: Parameters) -> Object:
        endpoint["url"] = given.text("url", endpoint["url"])
        endpoint["enabled_events"] = given.array("enabled_events") or endpoint["enabled_events"]
        endpoint["status"] = "disabled" if given.flag("disabled", endpoint["status"] == "disabled") else "enabled"
        endpoint["metadata"] = given.metadata(endpoint["metadata"])
        given.ignore("description")
        given.done()
        return endpoint

    def create_test_clock(self, given: Parameters) -> Object:
        frozen = given.number("frozen_time")
        if frozen is None:
            raise invalid("Missing required param: frozen_time.", "frozen_time", "parameter_missing")
        clock = self.book.new(
            "test_helpers.test_clock", name=given.text("name"), frozen_time=frozen, status="ready", deletes_after=frozen + 30 * DAY
        )
        given.done()
        self.book.event("test_helpers.test_clock.created", clock)
        return clock

    def advance_test_clock(self, clock: Object, given: Parameters) -> Object:
        to = given.number("frozen_time")
        given.done()
        if to is None or to <= clock["frozen_time"]:
            raise invalid("frozen_time must be after the test clock's current frozen time.", "frozen_time")
        mine = {customer["id"] for customer in self.book.of("customer", test_clock=clock["id"])}
        self.billing.run_until(to, mine.__contains__)
        clock["frozen_time"] = to
        self.book.event("test_helpers.test_clock.ready", clock)
        return clock

    def invoice_item(self, given: Parameters) -> Object:
        """A single charge or credit on the customer's next invoice."""
        customer = self.book.get("customer", given.needed("customer"), "customer")
        now = self.book.now(customer["id"])
        amount = given.number("amount")
        if amount is None:
            raise invalid("Missing required param: amount.", "amount", "parameter_missing")
        item = self.book.new(
            "invoiceitem",
            customer=customer["id"],
            amount=amount,
            currency=given.needed("currency"),
            description=given.text("description") or "",
            invoice=None,
            quantity=1,
            proration=False,
            period={"start": now, "end": now},
            metadata=given.metadata(),
            _subscription=given.text("subscription"),
            _price=None,
            _item=None,
        )
        given.done()
        return item
