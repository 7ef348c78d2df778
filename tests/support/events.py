"""Events in tests: what production only warns of (an unknown name, a payload that lacks what it promises) is an error."""

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def strict_events() -> Iterator[None]:
    bus = sys.modules.get("app.core.events.bus")
    if bus is None:
        yield
        return
    bus.event_bus.strict = True
    yield
    bus.event_bus.strict = False
