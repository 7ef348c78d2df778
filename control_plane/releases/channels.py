"""Channels: how early a tenant gets a release. A leaf, so that the tenants' table can name one."""

from enum import StrEnum


class Channel(StrEnum):
    STABLE = "stable"
    EARLY = "early"

    @property
    def takes(self) -> tuple["Channel", ...]:
        """The channels whose releases reach a tenant on this one."""
        return (Channel.STABLE, Channel.EARLY) if self is Channel.EARLY else (Channel.STABLE,)
