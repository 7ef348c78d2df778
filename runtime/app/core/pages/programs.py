"""What a person calls the program they signed in with, from its `User-Agent` header (RFC 9110 §10.1.5)."""

from typing import Final

# The first that matches is right: browsers name those they want to be taken for as well.
_PROGRAMS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def program_of(agent: str | None) -> str | None:
    """`Chrome, Windows`; of a program that is no browser its own first word; None if it did not say."""
    if not agent or not agent.strip():
        return None
    program = next((name for mark, name in _PROGRAMS if mark in agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in agent), None)
    return ", ".join(filter(None, (program, system))) or agent.split()[0][:60]
