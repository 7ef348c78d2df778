"""A mirror of what a cluster says of all clinics: kept by watches, and by a full list whenever one ends, is lost or falls silent.

Nobody polls the API server: a roll-out is seen when it moves. What is mirrored is never older than the last list that failed to come,
and where the server is away that is said instead of what was seen before.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from control_plane.deployers.base import DeployerUnavailable
from control_plane.deployers.kubernetes.api import Api, Expired, Object
from dentalpin_kit.problems import DomainError

log = logging.getLogger(__name__)

KINDS: Final = ("Deployment", "Pod", "Job")
RESYNC_SECONDS: Final = 300.0
"""However well a watch goes, everything is listed anew so often."""
SILENCE_SECONDS: Final = 90.0
"""A watch that says nothing for so long, not even a bookmark (one a minute), is taken for lost."""
FIRST_LIST_SECONDS: Final = 30.0
_PAUSES: Final = (0.5, 30.0)

Key = tuple[str, str]
"""(namespace, name)."""


class Mirror:
    """Starts with the first question, in the loop of whoever asks; `close` ends it."""

    def __init__(self, api: Api, *, resync: float = RESYNC_SECONDS, silence: float = SILENCE_SECONDS) -> None:
        self._api, self._resync, self._silence = api, resync, silence
        self._objects: dict[str, dict[Key, Object]] = {kind: {} for kind in KINDS}
        self._by_namespace: dict[str, dict[str, dict[str, Object]]] = {kind: {} for kind in KINDS}
        self._problems: dict[str, str] = {}
        self._listed = {kind: asyncio.Event() for kind in KINDS}
        self._moved = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.lists = 0
        """How often a whole kind was read."""

    async def ready(self) -> None:
        """Return once everything was listed. Raises DeployerUnavailable while the server is away."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._keep(kind), name=f"{self._api.name}: {kind}") for kind in KINDS]
        try:
            async with asyncio.timeout(FIRST_LIST_SECONDS):
                for kind in KINDS:
                    while not self._listed[kind].is_set() and kind not in self._problems:
                        moved = self._moved
                        with suppress(TimeoutError):
                            async with asyncio.timeout(1.0):
                                await moved.wait()
        except TimeoutError as error:
            raise DeployerUnavailable(f"Cluster {self._api.name} did not say what runs there within {FIRST_LIST_SECONDS:.0f} s.") from error
        if self._problems:
            raise DeployerUnavailable(next(iter(self._problems.values())))

    @property
    def answers(self) -> bool:
        """Whether the server said something when it was asked last."""
        return not self._problems

    def inside(self, kind: str, namespace: str) -> list[Object]:
        return list(self._by_namespace[kind].get(namespace, {}).values())

    def all_of(self, kind: str) -> Iterator[Object]:
        return iter(list(self._objects[kind].values()))

    def put(self, kind: str, subject: Object) -> None:
        """What the server answered to a write of our own: known before the watch tells it."""
        self._store(kind, subject)

    async def moved(self, seconds: float) -> bool:
        """Wait until something changes, at most so long; whether it did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._moved.wait()
                return True
        return False

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _keep(self, kind: str) -> None:
        pause, longest = _PAUSES
        while True:
            try:
                found, version = await self._api.list(kind, None)
                self._replace(kind, found)
                pause = _PAUSES[0]
                try:
                    await self._follow(kind, version)
                except DeployerUnavailable:
                    # Lost or silent, it is the list that tells whether the server is there: soon, and not in a circle where
                    # something in between cuts every watch.
                    await asyncio.sleep(_PAUSES[0])
            except Expired:
                log.info("%s: what happened to %s since is forgotten there; it is listed anew", self._api.name, kind)
                await asyncio.sleep(_PAUSES[0])
            except DomainError as error:
                log.warning("%s: %s cannot be listed: %s", self._api.name, kind, error.message)
                self._problems[kind] = error.message
                self._tell()
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
            except Exception:
                log.exception("%s: the watch of %s failed and begins anew", self._api.name, kind)
                await asyncio.sleep(longest)

    async def _follow(self, kind: str, since: str) -> None:
        async for happened, subject in self._api.watch(kind, since, seconds=self._resync, silence=self._silence):
            if happened in ("ADDED", "MODIFIED"):
                self._store(kind, subject)
            elif happened == "DELETED":
                self._forget(kind, key_of(subject))

    def _replace(self, kind: str, found: list[Object]) -> None:
        self.lists += 1
        for key in set(self._objects[kind]) - {key_of(one) for one in found}:
            self._forget(kind, key)
        for one in found:
            self._store(kind, one)
        self._problems.pop(kind, None)
        self._listed[kind].set()
        self._tell()

    def _store(self, kind: str, subject: Object) -> None:
        key = key_of(subject)
        known = self._objects[kind].get(key)
        if known is not None and _older(subject, known):
            return
        subject["metadata"].pop("managedFields", None)
        self._objects[kind][key] = subject
        self._by_namespace[kind].setdefault(key[0], {})[key[1]] = subject
        self._tell()

    def _forget(self, kind: str, key: Key) -> None:
        self._objects[kind].pop(key, None)
        inside = self._by_namespace[kind].get(key[0], {})
        inside.pop(key[1], None)
        if not inside:
            self._by_namespace[kind].pop(key[0], None)
        self._tell()

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def key_of(subject: Mapping[str, Any]) -> Key:
    return subject["metadata"].get("namespace", ""), subject["metadata"]["name"]


def _older(subject: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether an event is of before a write whose answer is known: the same object, of an earlier specification."""
    mine, theirs = subject["metadata"], known["metadata"]
    return bool(mine.get("uid") == theirs.get("uid") and mine.get("generation", 0) < theirs.get("generation", 0))
