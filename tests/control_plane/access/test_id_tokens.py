"""ID tokens: what proves who signed in, and everything that only looks like it. Pure functions of a token and a set of keys."""

import base64
import hmac
import json
from datetime import UTC, datetime

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from control_plane.access.oidc.errors import IdTokenRefused
from control_plane.access.oidc.tokens import Expected, KeyUnknown, read

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ISSUER, CLIENT, NONCE = "https://id.example", "platform", "n-0S6_WzA2Mj"
KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
OTHER = ECKey.generate_key("P-256", {"kid": "two"})
KEYS = {"keys": [KEY.as_dict(private=False)]}
AT = int(NOW.timestamp())
CLAIMS = {
    "iss": ISSUER,
    "aud": CLIENT,
    "sub": "248289761001",
    "nonce": NONCE,
    "iat": AT - 5,
    "exp": AT + 300,
    "email": "Ana@Platform.example",
    "email_verified": True,
    "amr": ["pwd", "otp"],
}


def token(key=KEY, header=None, **changes):
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": key.kid, **(header or {})}, claims, key)


def found(given, keys=KEYS):
    return read(given, keys, Expected(ISSUER, CLIENT, NONCE), at=NOW)


def test_a_token_for_this_sign_in_names_the_person():
    person = found(token())
    assert (person.subject, person.email, person.second_factor) == ("248289761001", "ana@platform.example", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"exp": AT - 61},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"iat": AT + 61},
        {"iat": AT - 901},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_a_token_that_is_not_of_this_sign_in_is_refused(changes):
    with pytest.raises(IdTokenRefused):
        found(token(**changes))


def test_several_audiences_need_this_client_as_the_party_that_asked():
    assert found(token(aud=[CLIENT, "another"], azp=CLIENT)).subject


@pytest.mark.parametrize("changes", [{"email_verified": False}, {"email_verified": "true"}, {"email": 7}], ids=str)
def test_an_address_nobody_checked_is_none(changes):
    assert found(token(**changes)).email is None


@pytest.mark.parametrize("amr", [None, ["pwd"], "otp", [["otp"]]])
def test_a_second_factor_counts_only_when_it_is_said(amr):
    assert found(token(amr=amr)).second_factor is False


def _part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_no_signature_is_no_proof():
    for alg in ("none", "None", "NONE"):
        with pytest.raises(IdTokenRefused):
            found(f"{_part({'alg': alg, 'kid': 'one'})}.{_part(CLAIMS)}.")


def test_the_public_key_does_not_pass_for_a_secret():
    """An algorithm that takes whatever bytes it is given as a secret, and the provider's public key, which everybody has."""
    for public in (KEY.as_pem(private=False), json.dumps(KEY.as_dict(private=False)).encode()):
        signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(CLAIMS)}"
        forged = f"{signed}.{base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), 'sha256')).rstrip(b'=').decode()}"
        with pytest.raises(IdTokenRefused):
            found(forged)
        with pytest.raises(IdTokenRefused):
            found(forged, {"keys": [*KEYS["keys"], {"kty": "oct", "kid": "one", "k": base64.urlsafe_b64encode(public).decode()}]})


def test_a_key_that_is_not_the_providers_signs_nothing():
    with pytest.raises(KeyUnknown):
        found(token(OTHER))
    with pytest.raises(IdTokenRefused, match="signature"):
        found(token(OTHER, {"kid": "one"}))


def test_a_key_inside_the_token_is_not_looked_at():
    with pytest.raises(IdTokenRefused):
        found(token(OTHER, {"kid": "one", "jwk": OTHER.as_dict(private=False), "jku": "https://evil.example/keys"}))


def test_a_key_for_something_else_signs_nothing():
    for wrong in ({"use": "enc"}, {"alg": "RS256"}, {"kty": "RSA"}):
        with pytest.raises(KeyUnknown):
            found(token(), {"keys": [{**KEY.as_dict(private=False), **wrong}]})


def test_what_was_changed_afterwards_is_refused():
    head, _, signature = token().split(".")
    with pytest.raises(IdTokenRefused):
        found(f"{head}.{_part({**CLAIMS, 'sub': 'somebody else'})}.{signature}")


@pytest.mark.parametrize("given", ["", "x", "x.y.z", "a.b.c.d.e", "." * 3, "ñ.ñ.ñ", "x" * 20_000])
def test_what_is_no_token_is_refused(given):
    with pytest.raises(IdTokenRefused):
        found(given)
