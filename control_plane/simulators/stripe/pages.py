"""The pages a person is sent to: checkout, portal, invoice. Marked on every page as a demonstration in which no money moves."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from control_plane.simulators.stripe import payments
from control_plane.simulators.stripe.book import Object
from control_plane.simulators.stripe.errors import StripeError
from control_plane.simulators.stripe.periods import DAY

_templates = Environment(loader=PackageLoader("control_plane.simulators.stripe"), autoescape=True, undefined=StrictUndefined)


def routes() -> list[Route]:
    return [
        Route("/checkout/{id}", _checkout, methods=["GET", "POST"]),
        Route("/portal/{id}", _portal, methods=["GET", "POST"]),
        Route("/invoice/{id}", _invoice, methods=["GET", "POST"]),
    ]


def _page(name: str, status: int = 200, **values: Any) -> Response:
    values.setdefault("problem", None)
    values.setdefault("authenticate", None)
    text = _templates.get_template(f"{name}.html").render(cards=payments.CARDS, money=_money, **values)
    return HTMLResponse(text, status_code=status)


def _money(amount: int, currency: str) -> str:
    return f"{Decimal(amount) / 100:,.2f} {currency.upper()}"


async def _form(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs((await request.body()).decode()).items()}


async def _checkout(request: Request) -> Response:
    double = request.app.state.double
    account, session = double.holding("checkout.session", request.path_params["id"])
    book = account.book
    lines = [(book.get("price", line["price"]), line["quantity"]) for line in session["_lines"]]
    shown = [(book.get("product", price["product"])["name"], quantity, price) for price, quantity in lines]
    trial = session["_subscription"]
    days = trial["trial_period_days"]
    if trial["trial_end"]:
        days = max(1, round((trial["trial_end"] - book.now(session["customer"])) / DAY))
    values: dict[str, Any] = {"session": session, "lines": shown, "days": days}
    if session["status"] != "open":
        return _page("checkout", 410, **values, problem="This page is no longer open. Go back to where you came from and begin again.")
    if request.method == "GET":
        return _page("checkout", **values)
    given = await _form(request)
    number = given.get("card", "").replace(" ", "")
    try:
        account.resources.complete_checkout(session, number or None, email=given.get("email"), authenticated="authenticated" in given)
    except StripeError as error:
        if error.code == "authentication_required":
            return _page("checkout", **values, authenticate=number)
        return _page("checkout", 402, **values, problem=error.body["error"]["message"])
    finally:
        double.save()
    return RedirectResponse(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]), 303)


async def _portal(request: Request) -> Response:
    double = request.app.state.double
    account, session = double.holding("billing_portal.session", request.path_params["id"])
    book = account.book
    customer = book.get("customer", session["customer"])
    problem, authenticate = None, None
    if request.method == "POST":
        given = await _form(request)
        try:
            if "card" in given:
                stored = payments.make_method(book, given["card"])
                if payments.card_of(stored).authentication != "never" and "authenticated" not in given:
                    authenticate = given["card"]
                else:
                    payments.attach(book, stored, customer["id"])
                    stored["_authenticated"] = True
                    _make_default(account, customer, stored)
        except StripeError as error:
            problem = error.body["error"]["message"]
        finally:
            double.save()
    method = book.find("payment_method", customer["invoice_settings"]["default_payment_method"])
    invoices = [one for one in reversed(book.all("invoice")) if one["customer"] == customer["id"] and one["status"] != "draft"]
    return _page(
        "portal",
        402 if problem else 200,
        session=session,
        customer=customer,
        method=method,
        invoices=invoices,
        problem=problem,
        authenticate=authenticate,
    )


def _make_default(account: Any, customer: Object, stored: Object) -> None:
    """The portal makes a new card the default of the customer and of its subscriptions. It pays no open invoice."""
    book = account.book
    book.changed("customer.updated", customer, invoice_settings={**customer["invoice_settings"], "default_payment_method": stored["id"]})
    for subscription in book.of("subscription", customer=customer["id"]):
        if subscription["default_payment_method"] is not None and subscription["status"] != "canceled":
            book.changed("customer.subscription.updated", subscription, default_payment_method=stored["id"])


async def _invoice(request: Request) -> Response:
    double = request.app.state.double
    account, invoice = double.holding("invoice", request.path_params["id"])
    problem, authenticate = None, None
    if request.method == "POST":
        given = await _form(request)
        try:
            stored = payments.make_method(account.book, given.get("card", ""))
            if payments.card_of(stored).authentication != "never" and "authenticated" not in given:
                authenticate = given["card"]
            else:
                payments.attach(account.book, stored, invoice["customer"])
                stored["_authenticated"] = True
                account.billing.invoices.pay_by(invoice, stored["id"])
        except StripeError as error:
            problem = error.body["error"]["message"]
        finally:
            double.save()
    return _page("invoice", 402 if problem else 200, invoice=invoice, problem=problem, authenticate=authenticate)
