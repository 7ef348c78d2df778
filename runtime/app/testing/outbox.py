"""What was published, and its delivery on demand: nothing is delivered behind a test's back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .clinics import ClinicUnderTest

if TYPE_CHECKING:
    import asyncpg

    from app.core.events.dispatcher import Dispatcher
    from app.database import Database

_DELIVERIES = "SELECT e.name, d.module_name, d.status FROM core_event_delivery d JOIN core_event e ON e.id = d.event_id ORDER BY d.id"
_FAILED = """
    SELECT e.name, d.module_name, d.handler, d.last_error FROM core_event_delivery d JOIN core_event e ON e.id = d.event_id
    WHERE d.last_error IS NOT NULL AND d.status IN ('pending', 'dead') ORDER BY d.id
"""


class HandlerFailed(AssertionError):
    """A handler raised; a serving runtime would try it again later."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """The events of a test's database."""

    dispatcher: Dispatcher
    database: Database
    clinic: ClinicUnderTest
    owner_url: str

    async def publish(self, name: str, payload: Mapping[str, Any], *, clinic: ClinicUnderTest | None = None) -> None:
        """Publish and commit, as a module of the clinic would (the first one, unless named); `clinic_id` is put into the payload."""
        from app.core.events import event_bus
        from app.database import unit_of_work

        clinic_id = (clinic or self.clinic).id
        async with unit_of_work(clinic_id, database=self.database):
            event_bus.publish(name, {"clinic_id": str(clinic_id), **payload})

    async def deliver(self, *, failures: bool = False) -> None:
        """Deliver everything that is due, and what that leads to. Raises HandlerFailed unless `failures` are expected."""
        await self.dispatcher.drain()
        failed = [] if failures else await self.failures()
        if failed:
            raise HandlerFailed("\n".join(failed))

    async def payloads(self, name: str) -> list[dict[str, Any]]:
        """The payloads of the events of this name, in the order they were published."""
        rows = await self._fetch("SELECT payload::text FROM core_event WHERE name = $1 ORDER BY id", str(name))
        return [json.loads(row["payload"]) for row in rows]

    async def names(self) -> list[str]:
        """The name of every event, in the order they were published."""
        return [row["name"] for row in await self._fetch("SELECT name FROM core_event ORDER BY id")]

    async def deliveries(self) -> list[tuple[str, str, str]]:
        """(event, module, status) of every delivery."""
        return [(row["name"], row["module_name"], row["status"]) for row in await self._fetch(_DELIVERIES)]

    async def failures(self) -> list[str]:
        """What went wrong with each delivery that failed and was not repeated with success: types and places, no payloads."""
        rows = await self._fetch(_FAILED)
        return [f"{row['handler']} of {row['module_name']}, told {row['name']}: {row['last_error']}" for row in rows]

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        import asyncpg

        connection = await asyncpg.connect(self.owner_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows
        finally:
            await connection.close()
