"""Lists, searches and expansions of what is in the book."""

import re
from typing import Any, Final

from control_plane.simulators.stripe.book import Book, Object, listing
from control_plane.simulators.stripe.errors import invalid
from control_plane.simulators.stripe.forms import Parameters

_FIELDS: Final = ("customer", "status", "type", "active", "email", "product", "charge", "payment_intent", "test_clock", "currency")
_CLAUSE: Final = re.compile(r"""^(metadata\[['"](?P<key>[^'"]+)['"]\]|(?P<field>[a-z_]+)):\s*['"](?P<value>[^'"]*)['"]$""")
_LONGEST: Final = 100


def page(book: Book, kind: str, url: str, given: Parameters) -> Object:
    """Objects newest first, filtered by their fields, cut by `starting_after` or `ending_before`."""
    limit = given.number("limit", 10) or 10
    after, before = given.text("starting_after"), given.text("ending_before")
    if not 1 <= limit <= _LONGEST:
        raise invalid(f"Invalid integer: limit must be between 1 and {_LONGEST}.", "limit")
    found = [one for one in reversed(book.all(kind)) if not one.get("deleted")]
    found = [one for one in found if _fits(kind, one, given)] if (given := _filters(book, kind, given)) else found
    if after is not None:
        found = found[_place(found, after, "starting_after") + 1 :]
    if before is not None:
        found = found[: _place(found, before, "ending_before")][-limit:]
    return listing(found[:limit], url, has_more=len(found) > limit)


def _place(found: list[Object], id_: str, param: str) -> int:
    for place, one in enumerate(found):
        if one["id"] == id_:
            return place
    raise invalid(f"No such object: '{id_}'", param, "resource_missing")


def _filters(book: Book, kind: str, given: Parameters) -> Any:
    """What to compare with, read from the request; unknown filters are refused."""
    wanted: dict[str, Any] = {}
    for name in _FIELDS:
        value = given.text(name)
        if value is not None:
            wanted[name] = value == "true" if name == "active" else value
    if (keys := given.array("lookup_keys")) is not None:
        wanted["lookup_keys"] = keys
    if (types := given.array("types")) is not None:
        wanted["types"] = types
    if (subscription := given.text("subscription")) is not None:
        wanted["subscription"] = subscription
    if (price := given.text("price")) is not None:
        wanted["price"] = price
    if given.has("created"):
        created = given.hash("created")
        wanted["created"] = {bound: created.number(bound) for bound in ("gt", "gte", "lt", "lte")}
        created.done()
    if kind == "subscription":
        wanted.setdefault("status", None)
    given.done()
    return wanted


def _fits(kind: str, one: Object, wanted: dict[str, Any]) -> bool:
    for name, value in wanted.items():
        match name:
            case "status" if kind == "subscription":
                if value != "all" and (one["status"] != value if value else one["status"] in ("canceled", "incomplete_expired")):
                    return False
            case "lookup_keys":
                if one.get("lookup_key") not in value:
                    return False
            case "types":
                if one["type"] not in value:
                    return False
            case "subscription":
                if _subscription(one) != value:
                    return False
            case "price":
                if all(item["price"]["id"] != value for item in one["items"]["data"]):
                    return False
            case "created":
                moment = one["created"]
                bounds = {"gt": moment.__gt__, "gte": moment.__ge__, "lt": moment.__lt__, "lte": moment.__le__}
                if not all(bounds[bound](limit) for bound, limit in value.items() if limit is not None):
                    return False
            case _:
                if one.get(name) != value:
                    return False
    return True


def _subscription(one: Object) -> Any:
    parent = one.get("parent")
    return parent["subscription_details"]["subscription"] if parent else one.get("subscription", one.get("_subscription"))


def search(book: Book, kind: str, url: str, given: Parameters) -> Object:
    """`metadata['tenant']:'t1' AND status:'active'`; other grammar is refused."""
    query = given.needed("query")
    given.ignore("limit", "page")
    given.done()
    tests = []
    for part in query.split(" AND "):
        clause = _CLAUSE.match(part.strip())
        if clause is None:
            raise invalid(f"This double cannot read the query {part!r}.", "query")
        tests.append((clause["key"], clause["field"], clause["value"]))
    found = [
        one
        for one in reversed(book.all(kind))
        if not one.get("deleted")
        and all((one["metadata"].get(key) if key else str(one.get(field))) == value for key, field, value in tests)
    ]
    return {"object": "search_result", "url": url, "has_more": False, "data": found, "next_page": None}


def expanded(book: Book, subject: Object, paths: list[str]) -> Object:
    """The object with the ids at these paths (`latest_invoice.payments`, `data.customer`) replaced by what they name."""
    for path in paths:
        subject = _expand(book, subject, path.split("."))
    return subject


def _expand(book: Book, value: Any, path: list[str]) -> Any:
    if isinstance(value, list):
        return [_expand(book, one, path) for one in value]
    if isinstance(value, str):
        value = book.by_id(value) or value
    if not path or not isinstance(value, dict):
        return value
    inner = value.get(path[0])
    if inner is None:
        return value
    return {**value, path[0]: _expand(book, inner, path[1:])}
