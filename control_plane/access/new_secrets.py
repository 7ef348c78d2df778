"""`python -m control_plane.access.new_secrets`: the secrets that a platform on a cluster is given, made anew, as lines NAME=value.

`kubectl create secret generic dentalpin-platform --from-env-file=…` takes them. Keep a copy elsewhere: what the vault's keys sealed opens
with nothing else, and a new signing key is rolled out to every clinic.
"""

import base64
import secrets
import sys

from control_plane.access.service import new_secret
from control_plane.vault.keyring import KEY_BYTES
from dentalpin_kit.tokens import SigningKey


def make() -> dict[str, str]:
    """By the names of the settings they are for."""
    vault = base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return {
        "DENTALPIN_SIGNING_KEY": SigningKey.generate().private,
        "DENTALPIN_VAULT_KEYS": f"first:{vault}",
        "DENTALPIN_OPERATOR_KEY": new_secret(),
    }


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}={value}\n" for name, value in make().items()))
