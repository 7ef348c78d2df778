"""What a campaign brings to each of its members. A leaf, so that the campaign's row can name one."""

from enum import StrEnum


class Change(StrEnum):
    RELEASE = "release"
    """Another release, with the modules each has chosen."""
    LAW = "law"
    """The packs published last, on the release each has."""
    REPLAN = "replan"
    """A new revision by the law and the releases of the day; where it has no other effect, nothing is restarted."""
