"""Work that is no request (a delivery, a job, a step of the processor): what its log lines and its span say it is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from dentalpin_kit import logs, tracing


@contextmanager
def at_work(kind: str, *, module: str, clinic_id: UUID | None = None, **about: str) -> Iterator[tracing.Span]:
    """Put the module, the clinic and names of ours on every line logged inside, and a span named `kind` around it."""
    with logs.bind(module=module, clinic=clinic_id, **about), tracing.span(kind) as span:
        span.set(module=module, clinic=clinic_id, **about)
        yield span
