"""Secrets that have to be read again: sealed under a ring of keys that rotates, and a data key per tenant that can be destroyed."""
