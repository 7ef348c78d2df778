"""A booted runtime for the contract tests that call one."""

from tests.app.runtime.conftest import asked, runtime

__all__ = ["asked", "runtime"]
