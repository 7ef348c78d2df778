"""How often a password may be tried: counted in the database, for all processes at once."""

import asyncio

import pytest

from app.core.auth.errors import TooManyAttempts
from app.core.auth.throttle import ACCOUNT, PAIR, PEER, Throttle, neighbourhood


@pytest.fixture
def throttle(request_database):
    return Throttle(b"secret of this runtime")


async def fail(throttle, account, peer, times=1):
    for _ in range(times):
        await throttle.attempt(throttle.of_sign_in(account, peer))


async def test_another_address_is_not_made_to_wait(throttle):
    await fail(throttle, "ana", "192.0.2.1", PAIR.attempts)
    await fail(throttle, "ana", "192.0.2.2")
    with pytest.raises(TooManyAttempts):
        await fail(throttle, "ana", "192.0.2.1")


async def test_every_process_of_the_clinic_counts_along(throttle, request_database):
    await fail(throttle, "ana", "192.0.2.1", PAIR.attempts)
    another = Throttle(b"secret of this runtime")
    with pytest.raises(TooManyAttempts):
        await fail(another, "ana", "192.0.2.1")


async def test_the_wait_ends_with_the_window(throttle, clinic_app):
    await fail(throttle, "ana", "192.0.2.1", PAIR.attempts)
    with pytest.raises(TooManyAttempts) as refused:
        await fail(throttle, "ana", "192.0.2.1")
    assert 0 < refused.value.context["retry_after"] <= PAIR.seconds
    await clinic_app.sql("UPDATE sign_in_attempts SET window_ends = now() - interval '1 second'")
    await fail(throttle, "ana", "192.0.2.1", PAIR.attempts)


async def test_who_goes_on_while_waiting_does_not_wait_longer_nor_make_others_wait(throttle, clinic_app):
    await fail(throttle, "ana", "192.0.2.1", PAIR.attempts)
    before = await clinic_app.sql("SELECT sum(attempts) FROM sign_in_attempts")
    for _ in range(5):
        with pytest.raises(TooManyAttempts):
            await fail(throttle, "ana", "192.0.2.1")
    assert await clinic_app.sql("SELECT sum(attempts) FROM sign_in_attempts") == before


async def test_one_account_is_not_guessed_at_from_many_addresses(throttle):
    for number in range(ACCOUNT.attempts):
        await fail(throttle, "ana", f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        await fail(throttle, "ana", "192.0.2.1")


async def test_one_address_does_not_guess_at_many_accounts(throttle):
    for number in range(PEER.attempts):
        await fail(throttle, f"account {number}", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await fail(throttle, "ana", "192.0.2.1")


async def test_guesses_at_once_are_as_many_attempts(throttle):
    guesses = await asyncio.gather(*(fail(throttle, "ana", "192.0.2.1") for _ in range(12)), return_exceptions=True)
    assert sum(guess is None for guess in guesses) == PAIR.attempts
    assert all(isinstance(guess, TooManyAttempts) for guess in guesses if guess is not None)


async def test_a_success_forgets_the_account_but_not_the_address(throttle):
    for number in range(PEER.attempts):
        await fail(throttle, f"account {number}", "192.0.2.1")
    await throttle.succeeded(throttle.of_sign_in("account 0", "192.0.2.1"))
    await fail(throttle, "account 0", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await fail(throttle, "account 0", "192.0.2.1")


async def test_the_book_names_nobody(throttle, clinic_app):
    await fail(throttle, "ana@example.com", "192.0.2.1")
    kept = await clinic_app.sql("SELECT string_agg(sign_in_attempts::text, ' ') FROM sign_in_attempts")
    assert "ana" not in kept
    assert "192.0.2" not in kept


def test_an_ipv6_customer_is_one_neighbour_whatever_address_they_take():
    assert neighbourhood("2001:db8:1:2:aaaa::1") == neighbourhood("2001:db8:1:2:bbbb::9") != neighbourhood("2001:db8:1:3::1")
    assert neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("unknown") == "unknown"
