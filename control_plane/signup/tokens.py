"""What is kept of a page's address: whoever has it may follow and correct a clinic's start."""

import hashlib


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
