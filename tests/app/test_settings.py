"""Settings that would make a runtime insecure are refused at start, without repeating what was given."""

import pytest
from pydantic import SecretStr, ValidationError

from app.config import Settings

GOOD = "q3Vt8Zr1LwXb5Yh7Kd2Nf4Pj6Sm9Ga0C"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("hunter2", "shorter than 32"),
        ("x" * 64, "different characters"),
        ("abcabc" * 12, "different characters"),
        ("changeme-changeme-changeme-changeme", "placeholder"),
        ("your-secret-key-goes-in-this-place-1", "placeholder"),
    ],
)
@pytest.mark.parametrize("name", ["secret_key", "data_key"])
def test_a_secret_somebody_could_guess_is_refused(name, secret, said):
    with pytest.raises(ValidationError, match=said) as refused:
        Settings(**{name: SecretStr(secret)})
    assert secret not in "".join(error["msg"] for error in refused.value.errors())


@pytest.mark.parametrize("secret", [GOOD, "0123456789abcdef" * 2, "a secret only for tests, long enough"])
def test_a_random_one_is_taken(secret):
    assert Settings(secret_key=SecretStr(secret)).secret_key.get_secret_value() == secret


def test_keys_may_be_files(tmp_path):
    file = tmp_path / "data.key"
    file.write_text(f"{GOOD}\n")
    assert Settings(data_key_file=file).data_key.get_secret_value() == GOOD


def test_a_proxy_that_is_no_network_is_refused():
    with pytest.raises(ValidationError, match="trusted_proxies"):
        Settings(trusted_proxies="the load balancer")
    assert Settings(trusted_proxies="10.0.0.0/8, 2001:db8::/32").trusted_proxies
