"""Fixtures of the control plane's tests."""

from tests.support.platform import (
    client,
    clock,
    deployer,
    migrated_database,
    platform,
    platform_settings,
    platform_template,
    runtime_environment,
)

__all__ = ["client", "clock", "deployer", "migrated_database", "platform", "platform_settings", "platform_template", "runtime_environment"]
