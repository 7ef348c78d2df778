"""`python -m control_plane.migrations`: migrate the database named by DATABASE_URL."""

import asyncio

from control_plane.config import get_settings
from control_plane.migrations import migrate

if __name__ == "__main__":
    asyncio.run(migrate(get_settings().database_url.get_secret_value()))
