"""From the request for a clinic to the first answer of its runtime, and the share of each step."""

import statistics
import time
from datetime import datetime
from typing import Any

import httpx2

from tests.bench._platform import platform
from tests.support.installation import create_tenant, wait_for

ROUNDS = 3


def measure() -> dict[str, Any]:
    with platform() as running:
        rounds = [one_clinic(running, number) for number in range(ROUNDS)]
    totals = [found["total_seconds"] for found in rounds]
    middle = rounds[totals.index(sorted(totals)[ROUNDS // 2])]
    return {**middle, "rounds": totals, "spread": max(totals) / statistics.median(totals)}


def one_clinic(running: Any, number: int) -> dict[str, Any]:
    api = running.api
    begun = time.perf_counter()
    created = create_tenant(api, name=f"Bench {number}", slug=f"bench-{number}")

    def url() -> str | None:
        tenant = api.get(f"/v1/tenants/bench-{number}").json()
        return tenant["url"] if tenant["state"] == "active" else None

    address = wait_for(url, "the tenant is active")
    assert httpx2.get(f"{address}/health/ready", timeout=30).status_code == 200
    total = time.perf_counter() - begun
    operation = api.get(f"/v1/operations/{created['operation']['id']}").json()
    seconds = {step["name"]: _seconds(step) for step in operation["steps"]}
    return {"total_seconds": total, "share": {name: took / total for name, took in seconds.items()}}


def _seconds(step: dict[str, Any]) -> float:
    begun, ended = (datetime.fromisoformat(step[name]) for name in ("started_at", "finished_at"))
    return (ended - begun).total_seconds()


def show(result: dict[str, Any]) -> list[str]:
    lines = [f"total {result['total_seconds']:.2f} s (median of {len(result['rounds'])}; slowest/median {result['spread']:.2f}); goal 10 s"]
    return lines + [f"{share:6.1%}  {name}" for name, share in result["share"].items()]
