"""No secret of a tenant leaves its folder by way of an error message."""

import pytest

from control_plane.deployers.local.scrub import scrub


@pytest.mark.parametrize(
    "line",
    [
        "could not connect to postgresql://t_1:swordfish9@127.0.0.1:5432/t_1",
        "password='swordfish9'",
        '{"secret_key": "swordfish9"}',
        "DENTALPIN_SECRET_KEY=swordfish9",
        "Authorization: Bearer swordfish9",
        "reset with eyJhbGciOi.eyJzd29y.swordfish9",
    ],
)
def test_what_looks_like_a_secret_is_hidden(line):
    assert "swordfish9" not in scrub(line)


def test_known_secrets_are_hidden_wherever_they_stand():
    assert scrub("tried swordfish9 twice", ["swordfish9"]) == "tried ••• twice"


def test_what_explains_a_failure_stays():
    line = 'relation "patients_patient" does not exist (migration 0002, token=None)'

    assert scrub(line) == line
