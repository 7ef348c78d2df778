"""`python -m control_plane.api`: the API and the pages as one process."""

import os
import socket

import uvicorn
from fastapi import FastAPI

from control_plane.config import Settings, get_settings
from control_plane.main import create_app
from control_plane.platform import Platform
from dentalpin_kit import logs, tracing
from dentalpin_kit.processes import die_with_parent


def listening(descriptor: int) -> socket.socket:
    """The socket that came by inheritance, as what it is: uvicorn takes any descriptor for a Unix socket, for which asyncio does not switch
    off the kernel's waiting for more to send, and every answer comes 40 ms late.
    """
    # No program started from here may hold the port after this process is gone.
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)


def main() -> None:
    settings = get_settings()
    if settings.parent_pid is not None:
        die_with_parent(settings.parent_pid)
    os.umask(0o077)
    logs.configure(level=settings.log_level, file=settings.log_file, process="api")
    tracing.configure("dentalpin-platform", os.environ, process="api")
    sockets = [listening(settings.listen_fd)] if settings.listen_fd is not None else None
    try:
        uvicorn.Server(serving(create_app(Platform.build(settings)), settings)).run(sockets)
    finally:
        tracing.shut_down()


def serving(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the application is served."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
        # Its own reading of X-Forwarded-For believes whoever connects from this machine.
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
