"""When a campaign stops by itself."""

import pytest

from control_plane.campaigns.judging import Tally, why_halt
from control_plane.campaigns.strategy import Strategy

USUAL = Strategy(halt_rate=0.1, halt_least=5)


@pytest.mark.parametrize(
    ("tally", "halted"),
    [
        (Tally(size=20, done=10, failed=0), False),
        (Tally(size=20, done=1, failed=2), False),
        (Tally(size=20, done=0, failed=3), True),
        (Tally(size=60, done=3, failed=1), False),
        (Tally(size=60, done=4, failed=1), True),
        (Tally(size=60, done=9, failed=1), False),
        (Tally(size=60, done=54, failed=6), False),
        (Tally(size=60, done=53, failed=7), True),
        (Tally(size=60, done=50, failed=1, stuck=1), True),
    ],
)
def test_more_failures_than_may_be_halt_it(tally, halted):
    assert bool(why_halt(tally, USUAL, canary=False)) is halted


def test_the_first_failure_of_a_canary_halts_it():
    assert why_halt(Tally(size=5, done=4, failed=1), Strategy(halt_rate=1), canary=True) == "One member of the canary failed."
    assert why_halt(Tally(size=5, done=5, failed=0), Strategy(halt_rate=0), canary=True) is None


def test_the_reason_names_the_numbers():
    why = why_halt(Tally(size=60, done=4, failed=1), USUAL, canary=False)
    assert why == "1 of the 5 members that ended failed: more than the 10% that may."
