"""How often a password may be tried; the clock is the test's."""

import pytest

from app.core.auth.errors import TooManyAttempts
from app.core.auth.throttle import ACCOUNT, PAIR, PEER, LoginThrottle


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttle(clock):
    return LoginThrottle(clock)


def fail(throttle, account, peer, times):
    for _ in range(times):
        throttle.check(account, peer)
        throttle.failed(account, peer)


def test_another_address_is_not_made_to_wait(throttle):
    fail(throttle, "ana", "one", PAIR.failures)
    throttle.check("ana", "two")
    with pytest.raises(TooManyAttempts):
        throttle.check("ana", "one")


def test_the_wait_ends_with_the_window(throttle, clock):
    fail(throttle, "ana", "one", PAIR.failures)
    clock.now += PAIR.seconds
    throttle.check("ana", "one")


def test_one_account_is_not_guessed_at_from_many_addresses(throttle):
    for number in range(ACCOUNT.failures):
        fail(throttle, "ana", f"peer {number}", 1)
    with pytest.raises(TooManyAttempts):
        throttle.check("ana", "a new one")


def test_one_address_does_not_guess_at_many_accounts(throttle):
    for number in range(PEER.failures):
        fail(throttle, f"account {number}", "one", 1)
    with pytest.raises(TooManyAttempts):
        throttle.check("ana", "one")


def test_a_success_forgets_the_account_but_not_the_address(throttle):
    for number in range(PEER.failures):
        fail(throttle, f"account {number}", "one", 1)
    throttle.succeeded("account 0", "one")
    with pytest.raises(TooManyAttempts):
        throttle.check("account 0", "one")
    throttle.check("account 0", "two")


def test_memory_is_bounded(clock):
    throttle = LoginThrottle(clock, capacity=30)
    for number in range(1000):
        throttle.failed(f"account {number}", f"peer {number}")
    assert len(throttle._counts) == 30
