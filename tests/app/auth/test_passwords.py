"""Hashes and what counts as a password."""

import pytest

from app.core.auth.errors import PasswordTooWeak
from app.core.auth.passwords import Passwords, check_strength
from tests.support.app import CHEAP, PASSWORD


async def test_a_hash_verifies_its_password_only():
    hashed = await CHEAP.hash(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert await CHEAP.verify(PASSWORD, hashed) == (True, None)
    assert await CHEAP.verify(PASSWORD + "x", hashed) == (False, None)
    assert await CHEAP.verify(PASSWORD, None) == (False, None)


async def test_a_hash_of_other_parameters_is_renewed_at_the_next_sign_in():
    hashed = await CHEAP.hash(PASSWORD)
    stronger = Passwords(memory_kib=16, rounds=2, lanes=1)
    valid, renewed = await stronger.verify(PASSWORD, hashed)
    assert valid
    assert await stronger.verify(PASSWORD, renewed) == (True, None)


def test_the_parameters_in_force_are_those_of_the_standard():
    # RFC 9106, section 4: second recommended option.
    assert Passwords()._parameters == (64 * 1024, 3, 4)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", "password123", "ana@example.com", "1234567890", "x" * 257, "dentalpin2026"])
def test_what_is_easily_guessed_is_refused_with_advice(password):
    with pytest.raises(PasswordTooWeak, match="Choose"):
        check_strength(password, "ana@example.com")


@pytest.mark.parametrize("password", [PASSWORD, "Zahnarzt-Praxis 7", "muelas y encías"])
def test_a_few_words_are_accepted(password):
    check_strength(password, "ana@example.com")
