"""Shared pieces of the test suite; fixtures are registered by tests/conftest.py."""
