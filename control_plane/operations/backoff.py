"""How long to wait before the next attempt: doubling, capped, with jitter so that many tenants do not come back at once."""

import random
from datetime import timedelta
from typing import Final

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 60.0
_random: Final = random.SystemRandom()


def delay_after(attempts: int) -> timedelta:
    """The pause after this many failed attempts (1 or more): between half and the whole of 0.5 s · 2^(attempts - 1), at most a minute."""
    whole = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(attempts - 1, 16))
    return timedelta(seconds=whole * _random.uniform(0.5, 1.0))
