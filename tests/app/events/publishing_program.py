"""A process of its own that publishes, or delivers, and is killed: `python publishing_program.py MODE URL CLINIC`.

It says where it is on stdout, one word a line, and then waits for its end.
"""

import asyncio
import sys
from typing import ClassVar
from uuid import UUID, uuid4

from sqlalchemy import text

from app.core.events import event_bus
from app.core.events.dispatcher import Dispatcher
from app.core.plugins.base import BaseModule
from app.core.plugins.manifest import Manifest
from app.core.plugins.registry import MountedModule, module_registry
from app.database import Database, commit


def say(word: str) -> None:
    print(word, flush=True)


async def consume(db, data):
    await db.execute(text("INSERT INTO effects (clinic_id, what) VALUES (:clinic, 'by the killed one')"), {"clinic": data["clinic_id"]})
    say("handling")
    await asyncio.Event().wait()


class Inventory(BaseModule):
    manifest: ClassVar = {"name": "inventory", "version": "1.0.0"}

    def get_event_handlers(self):
        return {"appointment.completed": consume}


async def main(mode: str, url: str, clinic: UUID) -> None:
    database = Database(url)
    module_registry.mount(MountedModule(Inventory(), Manifest.model_validate(Inventory.manifest)))
    if mode == "deliver":
        await Dispatcher(database, module_registry).drain()
    async with database.unit(clinic) as unit:
        event_bus.publish("appointment.completed", {"clinic_id": str(clinic), "appointment_id": str(uuid4())})
        await unit.session.flush()
        if mode == "commit":
            await commit(unit)
        say("published")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], UUID(sys.argv[3])))
