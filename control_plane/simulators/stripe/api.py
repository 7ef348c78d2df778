"""The double as a web application: the provider's interface under /v1, its pages, and /_double for who runs a test or a demonstration."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from control_plane.simulators.stripe import lists, pages, payments
from control_plane.simulators.stripe.billing import Billing
from control_plane.simulators.stripe.book import Book, Object, account_of, public
from control_plane.simulators.stripe.delivery import Delivery, Faults
from control_plane.simulators.stripe.errors import StripeError, invalid, missing
from control_plane.simulators.stripe.forms import Parameters, parse
from control_plane.simulators.stripe.invoices import Rules
from control_plane.simulators.stripe.resources import Resources

_KINDS: Final = {
    "customers": "customer",
    "products": "product",
    "prices": "price",
    "tax_rates": "tax_rate",
    "payment_methods": "payment_method",
    "payment_intents": "payment_intent",
    "setup_intents": "setup_intent",
    "subscriptions": "subscription",
    "subscription_items": "subscription_item",
    "invoices": "invoice",
    "invoiceitems": "invoiceitem",
    "invoice_payments": "invoice_payment",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "events": "event",
    "checkout/sessions": "checkout.session",
    "billing_portal/sessions": "billing_portal.session",
    "webhook_endpoints": "webhook_endpoint",
    "test_helpers/test_clocks": "test_helpers.test_clock",
}
_TICK_SECONDS: Final = 1.0
Verb = Callable[..., Object]


@dataclass
class Account:
    """One secret key's world."""

    book: Book
    billing: Billing
    resources: Resources
    delivery: Delivery


@dataclass
class Double:
    """The provider. `site` is the address people reach its pages under; `file` keeps everything over restarts."""

    site: str = "http://127.0.0.1:12111"
    file: Path | None = None
    rules: Rules = field(default_factory=Rules)
    manual: bool = False
    """Webhooks wait for `/_double/deliver`."""
    accounts: dict[str, Account] = field(default_factory=dict)
    away: bool = False
    """Answers 503 to everything, as in an outage."""
    ahead: int = 0
    """Seconds by which this provider's clock is ahead of the machine's."""

    def now(self) -> int:
        return int(time.time()) + self.ahead

    def account(self, key: str) -> Account:
        name = account_of(key)
        if name not in self.accounts:
            book = Book(name, self.now)
            billing = Billing(book, lambda: self.site, self.rules)
            self.accounts[name] = Account(book, billing, Resources(book, billing, lambda: self.site), Delivery(book, manual=self.manual))
            if self.file is not None and (stored := self.file.with_name(f"{self.file.stem}-{name}.json")).exists():
                book.load(stored)
        return self.accounts[name]

    def tick(self) -> None:
        """Do what is due by now for customers that live by the provider's own clock."""
        for account in self.accounts.values():
            on_clock = {one["id"] for one in account.book.all("customer") if one.get("test_clock")}
            account.billing.run_until(self.now(), lambda customer, on_clock=on_clock: customer not in on_clock)  # type: ignore[misc]  # a default binds the loop's value

    def save(self) -> None:
        if self.file is not None:
            for name, account in self.accounts.items():
                account.book.save(self.file.with_name(f"{self.file.stem}-{name}.json"))

    def holding(self, kind: str, id_: str) -> tuple[Account, Object]:
        """Whose object this is: pages are opened without a key."""
        for account in self.accounts.values():
            found = account.book.find(kind, id_)
            if found is not None:
                return account, found
        raise missing(kind, id_)


def create_app(double: Double) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(_keep_time(double)), tasks.create_task(_deliver(double, tasks))]
            yield
            for task in running:
                task.cancel()

    app = Starlette(
        routes=[
            Route("/v1/{path:path}", _api, methods=["GET", "POST", "DELETE"]),
            Route("/_double/{what}", _control, methods=["GET", "POST"]),
            *pages.routes(),
        ],
        lifespan=lifespan,
        exception_handlers={StripeError: _refused},
    )
    app.state.double = double
    return app


async def _keep_time(double: Double) -> None:
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        double.tick()


async def _deliver(double: Double, tasks: asyncio.TaskGroup) -> None:
    known: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            for name, account in double.accounts.items():
                if name not in known:
                    known[name] = tasks.create_task(account.delivery.run())
            await asyncio.sleep(0.05)
    finally:
        for task in known.values():
            task.cancel()


def double_of(request: Request) -> Double:
    double: Double = request.app.state.double
    return double


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StripeError)
    return JSONResponse(error.body, status_code=error.status)


async def _api(request: Request) -> Response:
    double = double_of(request)
    if double.away:
        return JSONResponse({"error": {"type": "api_error", "message": "The provider is down (asked for by a test)."}}, status_code=503)
    key = _key(request)
    account = double.account(key)
    double.tick()
    body = (await request.body()).decode()
    given = parse(body if request.method == "POST" else request.url.query)
    status, answer = _once(request, body, account, lambda: _answer(account, request.method, request.path_params["path"], given))
    double.save()
    return JSONResponse(answer, status_code=status, headers={"request-id": f"req_{sha256(body.encode()).hexdigest()[:14]}"})


def _key(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sk_test_"):
        raise StripeError(401, "invalid_request_error", "Invalid API Key provided: this double takes keys that begin with sk_test_.")
    return key


def _once(request: Request, body: str, account: Account, act: Callable[[], Object]) -> tuple[int, Any]:
    """The answer; for a repeated Idempotency-Key the one given before, and nothing happens again."""
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    asked = sha256(f"{request.url.path}\n{body}".encode()).hexdigest()
    if key is not None and key in account.book.answered:
        before, status, answer = account.book.answered[key]
        if before != asked:
            raise StripeError(
                400,
                "idempotency_error",
                f"Keys for idempotent requests can only be used with the same parameters. Try a key other than '{key}'.",
            )
        return status, answer
    try:
        status, answer = 200, act()
    except StripeError as error:
        status, answer = error.status, error.body
    if key is not None:
        account.book.answered[key] = (asked, status, answer)
    return status, answer


def _answer(account: Account, method: str, path: str, values: dict[str, Any]) -> Object:
    expand = values.pop("expand", [])
    given = Parameters(values)
    found = _dispatch(account, method, path.strip("/"), given)
    return public(lists.expanded(account.book, found, list(expand)))


def _dispatch(account: Account, method: str, path: str, given: Parameters) -> Object:
    book = account.book
    if path in ("account", f"accounts/{book.account}"):
        return {"id": book.account, "object": "account", "country": "ES", "default_currency": "eur", "charges_enabled": True}
    collection = next((name for name in sorted(_KINDS, key=len, reverse=True) if path == name or path.startswith(f"{name}/")), None)
    if collection is None:
        raise StripeError(404, "invalid_request_error", f"Unrecognized request URL ({method}: /v1/{path}).")
    kind = _KINDS[collection]
    rest = path.removeprefix(collection).strip("/").split("/") if path != collection else []
    match method, rest:
        case "GET", []:
            return lists.page(book, kind, f"/v1/{path}", given)
        case "GET", ["search"]:
            return lists.search(book, kind, f"/v1/{path}", given)
        case "GET", [id_]:
            given.done()
            return book.get(kind, id_)
        case "GET", [id_, inner]:
            return _inner(book, kind, book.get(kind, id_), inner, given)
        case "POST", [] | ["create_preview"]:
            verb = _verb(account, "preview" if rest else "create", kind, path)
            return verb(given)
        case "POST", [id_]:
            return _verb(account, "update", kind, path)(book.get(kind, id_), given)
        case "POST", [id_, "tax_ids"]:
            return account.resources.create_tax_id(book.get(kind, id_), given)
        case "POST", [id_, action]:
            # The provider's named test cards may be spoken of like cards that exist.
            subject = payments.method(book, id_) if kind == "payment_method" else book.get(kind, id_)
            return _verb(account, action, kind, path)(subject, given)
        case "DELETE", [id_, "tax_ids", tax_id]:
            return account.resources.delete_tax_id(book.get(kind, id_), book.get("tax_id", tax_id), given)
        case "DELETE", [id_]:
            return _verb(account, "delete", kind, path)(book.get(kind, id_), given)
        case _:
            raise StripeError(404, "invalid_request_error", f"Unrecognized request URL ({method}: /v1/{path}).")


def _inner(book: Book, kind: str, subject: Object, inner: str, given: Parameters) -> Object:
    if (kind, inner) == ("invoice", "lines"):
        lines: Object = subject["lines"]
        return lines
    if kind == "customer" and inner in ("tax_ids", "payment_methods"):
        return lists.page(book, inner.removesuffix("s"), f"/v1/customers/{subject['id']}/{inner}", _with_customer(given, subject))
    raise StripeError(404, "invalid_request_error", f"Unrecognized request URL: {inner}")


def _with_customer(given: Parameters, customer: Object) -> Parameters:
    given.ignore("customer")
    merged = {"customer": customer["id"], **given._given}
    return Parameters(merged)


def _verb(account: Account, verb: str, kind: str, path: str) -> Verb:
    """What does it. Raises 404 where the provider, or this double, knows no such request."""
    resources, billing, book = account.resources, account.billing, account.book
    invoices = billing.invoices

    def plain(act: Callable[[Object], Object]) -> Verb:
        def checked(subject: Object, given: Parameters) -> Object:
            given.ignore("auto_advance")
            given.done()
            return act(subject)

        return checked

    def delete_endpoint(subject: Object, given: Parameters) -> Object:
        book.drop("webhook_endpoint", subject["id"])
        return {"id": subject["id"], "object": "webhook_endpoint", "deleted": True}

    verbs: dict[tuple[str, str], Verb] = {
        ("create", "customer"): resources.create_customer,
        ("update", "customer"): resources.update_customer,
        ("delete", "customer"): resources.delete_customer,
        ("create", "product"): resources.create_product,
        ("update", "product"): resources.update_product,
        ("create", "price"): resources.create_price,
        ("update", "price"): resources.update_price,
        ("create", "tax_rate"): resources.create_tax_rate,
        ("create", "payment_method"): resources.create_payment_method,
        ("attach", "payment_method"): resources.attach_payment_method,
        ("detach", "payment_method"): resources.detach_payment_method,
        ("create", "setup_intent"): resources.create_setup_intent,
        ("confirm", "setup_intent"): resources.confirm_setup_intent,
        ("create", "subscription"): resources.create_subscription,
        ("update", "subscription"): resources.update_subscription,
        ("delete", "subscription"): resources.cancel_subscription,
        ("resume", "subscription"): plain(billing.resume),
        ("preview", "invoice"): resources.preview_invoice,
        ("pay", "invoice"): resources.pay_invoice,
        ("finalize", "invoice"): plain(invoices.finalize),
        ("void", "invoice"): plain(invoices.void),
        ("mark_uncollectible", "invoice"): plain(invoices.give_up),
        ("create", "invoiceitem"): resources.invoice_item,
        ("create", "refund"): resources.create_refund,
        ("create", "checkout.session"): resources.create_checkout_session,
        ("expire", "checkout.session"): plain(billing.expire_session),
        ("create", "billing_portal.session"): resources.create_portal_session,
        ("create", "webhook_endpoint"): resources.create_webhook_endpoint,
        ("update", "webhook_endpoint"): resources.update_webhook_endpoint,
        ("delete", "webhook_endpoint"): delete_endpoint,
        ("create", "test_helpers.test_clock"): resources.create_test_clock,
        ("advance", "test_helpers.test_clock"): resources.advance_test_clock,
    }
    found = verbs.get((verb, kind))
    if found is None:
        raise StripeError(404, "invalid_request_error", f"Unrecognized request URL (/v1/{path}): this double does not know it.")
    return found


async def _control(request: Request) -> Response:
    """What no provider offers: moving its clock, its outages, and deliveries by hand."""
    double = double_of(request)
    given: dict[str, Any] = json.loads(await request.body() or b"{}")
    match request.path_params["what"]:
        case "clock":
            if given:
                double.ahead = int(given["now"]) - int(time.time())
                double.tick()
            return JSONResponse({"now": double.now()})
        case "outage":
            double.away = bool(given["on"])
        case "faults":
            for account in double.accounts.values():
                account.delivery.faults = Faults(**given)
        case "deliver":
            return JSONResponse({"sent": sum([await account.delivery.deliver_all() for account in double.accounts.values()])})
        case "resend":
            account, event = double.holding("event", given["event"])
            account.delivery.resend(event)
        case "checkout":
            account, session = double.holding("checkout.session", given["session"])
            account.resources.complete_checkout(
                session, given.get("card"), email=given.get("email"), authenticated=given.get("authenticated", False)
            )
        case "dispute":
            account, charge = double.holding("charge", given["charge"])
            payments.open_dispute(account.book, charge)
        case "close-dispute":
            account, dispute = double.holding("dispute", given["dispute"])
            payments.close_dispute(account.book, dispute, won=bool(given["won"]))
        case what:
            raise invalid(f"There is no /_double/{what}.")
    double.save()
    return JSONResponse({"done": True})
