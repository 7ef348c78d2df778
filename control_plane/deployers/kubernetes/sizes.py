"""What a plan's limits come to: pods, CPU, memory, storage. Figures from `docs/operations.md`, "Capacity"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MORE_PODS: Final = 3
"""Pods beside those that serve and those they replace: one more during a roll-out, one job, one backup."""
DEFAULT_STORAGE_GB: Final = 20


@dataclass(frozen=True, slots=True)
class Size:
    """Of one pod, in millicores and MiB; `storage_gb` of the clinic's volume."""

    name: str
    replicas: int
    cpu_request: int
    cpu_limit: int
    memory_request: int
    memory_limit: int
    storage_gb: int

    @property
    def pods(self) -> int:
        """How many there may be: pods that end count until they are gone, which after a roll-out are as many as serve."""
        return 2 * self.replicas + MORE_PODS


_SMALL: Final = ("small", 1, 50, 1000, 192, 512)
_MEDIUM: Final = ("medium", 2, 100, 1000, 256, 768)
_LARGE: Final = ("large", 3, 250, 2000, 384, 1536)
_BY_USERS: Final = ((5, _SMALL), (25, _MEDIUM))


def size_of(limits: Mapping[str, Any]) -> Size:
    """By how many users the plan allows, and how much storage. A plan without that limit is for many; no plan at all is the smallest."""
    users, storage = limits.get("users"), limits.get("storage_gb")
    if not limits:
        return Size(*_SMALL, DEFAULT_STORAGE_GB)
    facts = next((facts for most, facts in _BY_USERS if users is not None and users <= most), _LARGE)
    return Size(*facts, int(storage or DEFAULT_STORAGE_GB))
