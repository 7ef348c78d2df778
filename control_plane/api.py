"""`python -m control_plane.api`: the API and the pages as one process."""

import os

import uvicorn

from control_plane.config import get_settings
from control_plane.main import create_app
from control_plane.platform import Platform
from dentalpin_kit import logs, tracing
from dentalpin_kit.processes import die_with_parent


def main() -> None:
    settings = get_settings()
    if settings.parent_pid is not None:
        die_with_parent(settings.parent_pid)
    os.umask(0o077)
    logs.configure(level=settings.log_level, file=settings.log_file, process="api")
    tracing.configure("dentalpin-platform", os.environ, process="api")
    if settings.listen_fd is not None:
        # It came by inheritance; no program started from here may hold the port after this process is gone.
        os.set_inheritable(settings.listen_fd, False)
    app = create_app(Platform.build(settings))
    try:
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            fd=settings.listen_fd,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            server_header=False,
        )
    finally:
        tracing.shut_down()


if __name__ == "__main__":
    main()
