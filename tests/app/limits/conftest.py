"""Fixtures that import the application, for the tests that need it."""

from tests.support.app import clinic_app, request_database

__all__ = ["clinic_app", "request_database"]
