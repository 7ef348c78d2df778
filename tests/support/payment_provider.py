"""The payment provider's double as a server of its own on loopback, for the official SDK."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import stripe
import uvicorn

from control_plane.simulators.stripe.api import Double, create_app

KEY = "sk_test_dentalpin"


class Provider:
    """`double` is the server's state; `client` the SDK's, `do` what no provider offers (clock, outage, faults, deliver, checkout …)."""

    def __init__(self, double: Double, url: str) -> None:
        self.double = double
        self.url = url
        self.client = self.client_for(KEY)

    def client_for(self, key: str) -> stripe.StripeClient:
        return stripe.StripeClient(
            key, base_addresses={"api": self.url}, max_network_retries=0, http_client=stripe.HTTPXClient(allow_sync_methods=True)
        )

    def do(self, what: str, **values: Any) -> dict[str, Any]:
        answer = httpx2.post(f"{self.url}/_double/{what}", json=values, timeout=30)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def post(self, path: str, **form: str) -> httpx2.Response:
        """A person submits one of the pages."""
        return httpx2.post(path if path.startswith("http") else f"{self.url}{path}", data=form, follow_redirects=False, timeout=30)


@contextmanager
def serving(*, file: Path | None = None, manual: bool = False) -> Iterator[Provider]:
    double = Double(file=file, manual=manual)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        double.site = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(create_app(double), log_level="warning", lifespan="on"))
        # A loop of its own: the tests' may be busy or blocked while the SDK waits.
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        listening.listen()
        thread.start()
        try:
            yield Provider(double, double.site)
        finally:
            server.should_exit = True
            thread.join()
