"""What exists at the provider for one account: objects by id, events, answered requests, and the time."""

import copy
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from control_plane.simulators.stripe.errors import missing

Object = dict[str, Any]
API_VERSION: Final = "2026-10-28.endive"
PREFIXES: Final = {
    "customer": "cus",
    "product": "prod",
    "price": "price",
    "tax_rate": "txr",
    "tax_id": "txi",
    "payment_method": "pm",
    "setup_intent": "seti",
    "payment_intent": "pi",
    "charge": "ch",
    "refund": "re",
    "dispute": "du",
    "subscription": "sub",
    "subscription_item": "si",
    "invoice": "in",
    "invoiceitem": "ii",
    "line_item": "il",
    "invoice_payment": "inpay",
    "checkout.session": "cs_test",
    "billing_portal.session": "bps",
    "webhook_endpoint": "we",
    "event": "evt",
    "test_helpers.test_clock": "clock",
    "credit_note": "cn",
}
_KIND_OF: Final = {prefix: kind for kind, prefix in PREFIXES.items()}


@dataclass
class Book:
    """`clock` gives the present in seconds; objects of a customer on a test clock live by that clock instead."""

    account: str
    clock: Callable[[], int]
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    answered: dict[str, tuple[str, int, Any]] = field(default_factory=dict)
    """Idempotency-Key → (digest of the request, status, answer)."""
    on_event: Callable[[Object], None] = lambda event: None
    _moment: int | None = None

    def new(self, kind: str, **facts: Any) -> Object:
        """A stored object of this kind with its id and creation time."""
        made: Object = {
            "id": f"{PREFIXES[kind]}_{secrets.token_hex(8)}",
            "object": kind,
            "created": self.now(facts.get("customer")),
            "livemode": False,
            **facts,
        }
        self.objects.setdefault(kind, {})[made["id"]] = made
        return made

    def all(self, kind: str) -> list[Object]:
        """Oldest first."""
        return list(self.objects.get(kind, {}).values())

    def find(self, kind: str, id_: str | None) -> Object | None:
        return self.objects.get(kind, {}).get(id_ or "")

    def get(self, kind: str, id_: str, param: str = "id") -> Object:
        found = self.find(kind, id_)
        if found is None:
            raise missing(kind, id_, param)
        return found

    def by_id(self, id_: str) -> Object | None:
        """Any object, by the prefix of its id."""
        prefix = id_.rpartition("_")[0]
        kind = _KIND_OF.get(prefix)
        return self.find(kind, id_) if kind else None

    def of(self, kind: str, **facts: Any) -> Iterator[Object]:
        """Objects whose fields have these values."""
        return (each for each in self.all(kind) if all(each.get(name) == value for name, value in facts.items()))

    def drop(self, kind: str, id_: str) -> None:
        self.objects.get(kind, {}).pop(id_, None)

    def now(self, customer: str | None = None) -> int:
        """The present: while time is being moved on, that moment; on a test clock, what the clock shows."""
        if self._moment is not None:
            return self._moment
        owner = self.find("customer", customer)
        if owner is not None and owner.get("test_clock"):
            frozen: int = self.get("test_helpers.test_clock", owner["test_clock"])["frozen_time"]
            return frozen
        return self.clock()

    def at(self, moment: int) -> "_Moment":
        """Everything inside the block happens at `moment`."""
        return _Moment(self, moment)

    def event(self, kind: str, subject: Object, previous: Object | None = None) -> Object:
        """Something happened to `subject`: written down as it is now, and told to whoever listens."""
        data: Object = {"object": copy.deepcopy(public(subject))}
        if previous is not None:
            data["previous_attributes"] = copy.deepcopy(previous)
        event = self.new("event", type=kind, api_version=API_VERSION, data=data, request={"id": None, "idempotency_key": None})
        event["created"] = self.now(subject.get("customer") or (subject["id"] if subject["object"] == "customer" else None))
        event["pending_webhooks"] = 0
        self.on_event(event)
        return event

    def changed(self, kind: str, subject: Object, **changes: Any) -> bool:
        """Change fields and say so by an event, once, with what they were; nothing where they are so already."""
        previous = {name: subject.get(name) for name, value in changes.items() if subject.get(name) != value}
        if not previous:
            return False
        subject.update(changes)
        self.event(kind, subject, previous)
        return True

    def save(self, file: Path) -> None:
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.write_text(json.dumps({"account": self.account, "objects": self.objects, "answered": self.answered}), encoding="utf-8")
        draft.replace(file)

    def load(self, file: Path) -> None:
        stored = json.loads(file.read_text(encoding="utf-8"))
        self.objects = stored["objects"]
        self.answered = {key: (value[0], value[1], value[2]) for key, value in stored["answered"].items()}


class _Moment:
    def __init__(self, book: Book, moment: int) -> None:
        self._book, self._at = book, moment

    def __enter__(self) -> None:
        self._before = self._book._moment
        self._book._moment = self._at

    def __exit__(self, *_: object) -> None:
        self._book._moment = self._before


def account_of(key: str) -> str:
    """The account a secret key belongs to: sk_test_<anything> is one account each."""
    return f"acct_{sha256(key.encode()).hexdigest()[:16]}"


def public(subject: Object) -> Object:
    """An object without what only the double knows (names that begin with an underscore)."""
    return {name: _public(value) for name, value in subject.items() if not name.startswith("_")}


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return public(value)
    if isinstance(value, list):
        return [_public(each) for each in value]
    return value


def listing(objects: Iterable[Object], url: str, *, has_more: bool = False) -> Object:
    return {"object": "list", "url": url, "has_more": has_more, "data": list(objects)}
