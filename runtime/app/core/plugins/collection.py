"""Putting off garbage collection while modules change.

A full collection goes over everything that was imported and takes as long as installing a module does; a run of the processor is short and
leaves few cycles behind.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_off() -> Iterator[None]:
    """Collect nothing inside; afterwards as before."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
