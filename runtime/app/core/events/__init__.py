"""Events between modules: published into the outbox with the change they tell of, delivered after its commit.

`event_bus.publish` writes, `dispatcher.Dispatcher` delivers. Modules import `event_bus`, `EventType` and `transactional` from here.
"""

from .bus import EventBus, event_bus
from .handlers import transactional
from .types import EventType

__all__ = ["EventBus", "EventType", "event_bus", "transactional"]
