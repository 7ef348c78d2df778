"""Ten clinics, nine of them idle: memory per clinic, and how long an idle one takes to answer."""

import statistics
import time
from pathlib import Path
from typing import Any

import httpx2

from tests.bench._platform import platform, resident_mib
from tests.support.installation import create_tenant, finished, wait_for

CLINICS = 10


def measure() -> dict[str, Any]:
    with platform(DENTALPIN_IDLE_AFTER="2") as running:
        api = running.api
        urls = []
        for number in range(CLINICS):
            created = create_tenant(api, name=f"Idle {number}", slug=f"idle-{number}")
            finished(api, created["operation"])
            urls.append(api.get(f"/v1/tenants/idle-{number}").json()["url"])
        before = {process["name"]: resident_mib(process["pid"]) for process in running.status()["processes"] if _is_alive(process)}
        wait_for(lambda: runtimes(running) == [], "all clinics are idle", seconds=120)
        platform_mib = sum(resident_mib(process["pid"]) for process in running.status()["processes"] if _is_alive(process))
        wakes, warm = [], []
        for url in urls[1:]:
            wakes.append(_first_answer(url))
            warm.append(_first_answer(url))
        first = urls[0]
        httpx2.get(f"{first}/health/ready", timeout=60)
        awake = [resident_mib(pid) for pid in runtimes(running)]
    return {
        "idle_processes": 0,
        "wake_seconds_median": statistics.median(wakes),
        "wake_seconds_worst": max(wakes),
        "wake_to_warm_ratio": statistics.median(wakes) / statistics.median(warm),
        "awake_mib_per_clinic": statistics.median(awake),
        "platform_mib_all_idle": platform_mib,
        "platform_mib_with_runtimes": sum(before.values()),
    }


def runtimes(running: Any) -> list[int]:
    """The serving processes of clinics, found by what they are started from."""
    supervisor = running.pid("supervisor")
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(pid) for pid in children]


def _is_alive(process: dict[str, Any]) -> bool:
    return process.get("pid") is not None and Path(f"/proc/{process['pid']}/smaps_rollup").exists()


def _first_answer(url: str) -> float:
    begun = time.perf_counter()
    answer = httpx2.get(f"{url}/health/ready", timeout=60)
    assert answer.status_code == 200, answer.text
    return time.perf_counter() - begun


def show(result: dict[str, Any]) -> list[str]:
    return [
        f"idle clinics hold {result['idle_processes']} processes; the platform alone {result['platform_mib_all_idle']:.0f} MiB",
        f"wake: median {result['wake_seconds_median']:.2f} s, worst {result['wake_seconds_worst']:.2f} s "
        f"({result['wake_to_warm_ratio']:.0f} times a warm answer)",
        f"an awake clinic: {result['awake_mib_per_clinic']:.0f} MiB",
    ]
