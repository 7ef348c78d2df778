"""Canonical JSON and digests: the same value gives the same bytes, and so the same name, on both sides of the contract.

Sorted keys, no spaces, UTF-8, no NaN. What is digested here is compared by equality only; it is no signature.
"""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """The one JSON text of a value built of dicts, lists, strings, numbers, booleans and None.

    Raises TypeError for any other type and ValueError for NaN or infinity: they have no JSON text that both sides would agree on.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """`sha256:<hex>` of a value's canonical JSON."""
    return digest_text(canonical_json(value))


def digest_text(text: str) -> str:
    """`sha256:<hex>` of exactly this text in UTF-8."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
