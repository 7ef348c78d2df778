"""Fixtures that import the application, for the tests that need it."""

from tests.support.app import clinic_app, request_database
from tests.support.browser import browser

__all__ = ["browser", "clinic_app", "request_database"]
