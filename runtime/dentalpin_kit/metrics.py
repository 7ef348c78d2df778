"""Counts and durations of one process, as plain numbers; written in Prometheus' text format when somebody scrapes.

Counting costs a dictionary entry. prometheus_client, which knows the format and what Linux says of a process, is imported with the first
scrape: a process that nobody watches never pays for it. Called from the event loop's thread only.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets into which durations fall."""


class Counter:
    """How often something happened, by labels. Labels have few values, and none of them is about a person."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        self.name, self.about, self.labels = name, about, tuple(labels)
        self._counts: dict[tuple[str, ...], float] = {}

    def add(self, *values: str, by: float = 1) -> None:
        self._counts[values] = self._counts.get(values, 0) + by

    def clear(self) -> None:
        self._counts.clear()

    def metric(self) -> "Metric":
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(self.name, self.about, labels=self.labels)
        for values, count in sorted(self._counts.items()):
            family.add_metric(values, count)
        return family


class Durations:
    """How long something took, in seconds and by labels, as a histogram."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        self.name, self.about, self.labels = name, about, tuple(labels)
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, seconds: float, *values: str) -> None:
        if values not in self._buckets:
            self._buckets[values], self._sums[values] = [0] * (len(SECONDS) + 1), 0.0
        self._buckets[values][bisect_left(SECONDS, seconds)] += 1
        self._sums[values] += seconds

    def clear(self) -> None:
        self._buckets.clear()
        self._sums.clear()

    def metric(self) -> "Metric":
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(self.name, self.about, labels=self.labels)
        bounds = [*map(str, SECONDS), "+Inf"]
        for values, counts in sorted(self._buckets.items()):
            so_far = [sum(counts[: index + 1]) for index in range(len(counts))]
            family.add_metric(values, list(zip(bounds, so_far, strict=True)), self._sums[values])
        return family


@dataclass(frozen=True)
class Reading:
    """Something read when the scrape comes, such as how much waits in a table."""

    name: str
    about: str
    labels: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], float], ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"

    def metric(self) -> "Metric":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        family = (GaugeMetricFamily if self.kind == "gauge" else CounterMetricFamily)(self.name, self.about, labels=self.labels)
        for values, number in self.rows:
            family.add_metric(values, number)
        return family


@dataclass(frozen=True)
class Instruments:
    """What one kind of process counts."""

    own: tuple[Counter | Durations, ...]
    _process: list[Any] = field(default_factory=list, repr=False)

    def render(self, readings: Iterable[Reading] = ()) -> bytes:
        """Everything counted so far, the readings, and what Linux says of this process (memory, CPU seconds, open files)."""
        from prometheus_client import ProcessCollector, generate_latest
        from prometheus_client.registry import Collector, CollectorRegistry

        if not self._process:
            self._process.append(ProcessCollector(registry=None))
        own, read, process = self.own, tuple(readings), self._process[0]

        class Everything(Collector):
            def collect(self) -> "Iterator[Metric]":
                yield from (instrument.metric() for instrument in own)
                yield from (reading.metric() for reading in read)
                yield from process.collect()

        registry = CollectorRegistry()
        registry.register(Everything())
        return generate_latest(registry)

    def clear(self) -> None:
        """Start again from nothing; for tests."""
        for instrument in self.own:
            instrument.clear()
