import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from dentalpin_kit import tokens

KEY = tokens.SigningKey.generate()
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def make(**changes):
    given = {"audience": "tenant-1", "purpose": "attest", "lifetime": MINUTE, "now": NOW} | changes
    return tokens.sign(changes.pop("key", KEY), **{name: value for name, value in given.items() if name != "key"})


def check(token, **changes):
    given = {"audience": "tenant-1", "purpose": "attest", "now": NOW} | changes
    return tokens.verify(token, given.pop("public_key", KEY.public), **given)


def test_a_token_says_what_was_signed():
    token = check(make(subject="owner@clinic.es", jti="one", claims={"serial": 3}))

    assert (token.audience, token.purpose, token.subject, token.jti) == ("tenant-1", "attest", "owner@clinic.es", "one")
    assert token.claims == {"serial": 3}
    assert token.expires_at == NOW + MINUTE


def test_every_token_has_an_id_of_its_own():
    assert check(make()).jti != check(make()).jti


def test_the_public_key_is_a_raw_key_in_base64url():
    assert len(KEY.public) == 43
    assert len(base64.urlsafe_b64decode(KEY.public + "=")) == 32


def test_a_key_is_found_again_from_its_private_half():
    assert tokens.SigningKey.from_private(KEY.private + "\n") == KEY


def test_the_private_key_is_not_in_its_representation():
    assert KEY.private not in repr(KEY)


@pytest.mark.parametrize("text", ["", "abc", "!" * 43, "A" * 42])
def test_what_is_no_private_key_is_refused(text):
    with pytest.raises(ValueError, match="base64url"):
        tokens.SigningKey.from_private(text)


def test_another_platforms_signature_is_untrusted():
    with pytest.raises(tokens.TokenUntrusted):
        check(make(key=tokens.SigningKey.generate()))


def test_a_changed_content_is_untrusted():
    header, payload, signature = make().split(".")
    content = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**content, "purpose": "invite"}).encode()).rstrip(b"=").decode()

    with pytest.raises(tokens.TokenUntrusted):
        check(f"{header}.{forged}.{signature}", purpose="invite")


def test_another_tenants_token_is_refused():
    with pytest.raises(tokens.TokenForAnother):
        check(make(audience="tenant-2"))


def test_a_token_for_another_purpose_is_refused_by_name():
    with pytest.raises(tokens.TokenWrongPurpose, match="invite"):
        check(make(purpose="invite"))


def test_a_token_ends_after_its_time_and_the_leeway():
    token = make()

    assert check(token, now=NOW + MINUTE + tokens.LEEWAY)
    with pytest.raises(tokens.TokenExpired):
        check(token, now=NOW + MINUTE + tokens.LEEWAY + timedelta(seconds=1))


def test_a_token_from_the_future_is_refused_beyond_the_leeway():
    assert check(make(now=NOW + tokens.LEEWAY))
    with pytest.raises(tokens.TokenNotYetValid):
        check(make(now=NOW + timedelta(minutes=5)))


def unsigned(header):
    parts = (json.dumps(header), json.dumps({"aud": "tenant-1", "purpose": "attest", "jti": "x", "iat": 0, "exp": 9999999999}))
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "....", "x" * 5000, unsigned({"alg": "none"}), unsigned({"alg": "HS256"}), unsigned({"alg": "Ed25519"})],
)
def test_what_is_no_token_is_refused_as_a_token(token):
    with pytest.raises(tokens.TokenRefused) as refusal:
        check(token)

    assert refusal.value.status == 401


def test_a_token_signed_with_the_public_key_as_shared_secret_is_refused():
    from joserfc import jws
    from joserfc.jwk import OctKey

    payload = json.dumps({"aud": "tenant-1", "purpose": "attest", "jti": "x", "iat": 0, "exp": 9999999999})
    forged = jws.serialize_compact({"alg": "HS256"}, payload, OctKey.import_key(KEY.public), algorithms=["HS256"])

    with pytest.raises(tokens.TokenRefused):
        check(forged)


def test_a_claim_may_not_hide_a_checked_one():
    with pytest.raises(ValueError, match="exp"):
        make(claims={"exp": 1})


def test_a_wrong_public_key_is_an_error_of_the_revision():
    with pytest.raises(ValueError, match="correct the revision"):
        check(make(), public_key="no key")
