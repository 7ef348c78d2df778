"""`python -m tests.support.run_worker FOLDER MOMENT`: a worker of its own process: it does what is due and leaves, or is killed."""

import asyncio
import sys
from pathlib import Path

from app.testing.clock import TestClock
from control_plane.config import Settings
from control_plane.operations.worker import Worker
from control_plane.platform import Platform
from tests.support.deployer import FakeDeployer


async def main(folder: str, moment: str) -> None:
    settings = Settings()
    platform = Platform.build(settings, clock=TestClock(moment), deployer=FakeDeployer(Path(folder)))
    await Worker(platform, platform.servers.own, name="killed").drain()
    await platform.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
