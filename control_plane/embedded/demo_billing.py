"""Demo billing of `./dev up`: the payment provider's double beside the platform, so that everything about paying can be tried.

No money moves, and every page says so. A provider's key in the environment takes its place.
"""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx2

from control_plane.deployers.local.placement import write_private
from control_plane.embedded.layout import EmbeddedError, Facts, Layout, read_json
from dentalpin_kit.ports import listen_on_free

REAL: Final = ("DENTALPIN_STRIPE_KEY", "STRIPE_SECRET_KEY", "DENTALPIN_STRIPE_KEY_FILE")
"""Any of these in the environment: cards are taken for real."""
READY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.05


def wanted(environment: Mapping[str, str]) -> bool:
    return not any(environment.get(name) for name in REAL)


@dataclass(frozen=True, slots=True)
class DemoBilling:
    """How the platform reaches the double. Kept, so that a restart finds its customers again."""

    key: str
    port: int
    host: str
    """As this machine reaches it."""
    endpoint: str = ""
    secret: str = ""
    """Of the webhooks' endpoint."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """For the platform's API and worker."""
        return {"DENTALPIN_STRIPE_KEY": self.key, "DENTALPIN_STRIPE_URL": self.url, "DENTALPIN_STRIPE_WEBHOOK_SECRET": self.secret}


def bind(layout: Layout, host: str) -> tuple[socket.socket, DemoBilling]:
    """The double's socket, on the port of last time, and what is known of it."""
    kept = read_json(layout.demo_billing) or {}
    listening = listen_on_free(host, first=(kept["port"],) if "port" in kept else ())
    own = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
    known = DemoBilling(
        key=kept.get("key") or f"sk_test_{secrets.token_hex(12)}",
        port=listening.getsockname()[1],
        host=own,
        endpoint=kept.get("endpoint", ""),
        secret=kept.get("secret", ""),
    )
    return listening, known


def arguments(layout: Layout, descriptor: int, site: str) -> list[str]:
    folder = layout.data / "demo-billing"
    folder.mkdir(exist_ok=True, mode=0o700)
    return ["--fd", str(descriptor), "--site", site, "--file", str(folder / "stripe.json")]


async def connect(layout: Layout, facts: Facts, known: DemoBilling) -> DemoBilling:
    """Tell the double, once it answers, where its webhooks go; returned with their secret, and written down. Raises EmbeddedError."""
    webhooks = f"{facts.api}/v1/payments/webhooks/stripe"
    async with httpx2.AsyncClient(base_url=known.url, headers={"Authorization": f"Bearer {known.key}"}, timeout=10) as client:
        await _answering(client)
        present: Any = None
        if known.endpoint:
            found = await client.post(f"/v1/webhook_endpoints/{known.endpoint}", data={"url": webhooks})
            present = found.json() if found.status_code == 200 else None
        if present is None:
            made = await client.post("/v1/webhook_endpoints", data={"url": webhooks, "enabled_events[]": "*"})
            if made.status_code != 200:
                raise EmbeddedError(
                    f"Demo billing refused its webhooks: {made.text[:300]}. Delete {layout.data / 'demo-billing'} to begin anew."
                )
            answer = made.json()
            known = DemoBilling(known.key, known.port, known.host, answer["id"], answer["secret"])
    write_private(layout.demo_billing, json.dumps(asdict(known), indent=1))
    return known


async def _answering(client: httpx2.AsyncClient) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    while True:
        try:
            if (await client.get("/v1/account")).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        if loop.time() > deadline:
            raise EmbeddedError(f"Demo billing does not become ready (process {os.getpid()}); see logs/payments.log.")
        await asyncio.sleep(LOOK_SECONDS)
