"""The languages the platform speaks to people: English, and Spanish where the reader prefers it."""

from typing import Literal

Language = Literal["en", "es"]
LANGUAGES: tuple[Language, ...] = ("en", "es")


def preferred(accept_language: str | None) -> Language:
    """The best of our languages for an Accept-Language header (RFC 9110 § 12.5.4); English where it names none of them."""
    weighted: list[tuple[float, int, Language]] = []
    for position, entry in enumerate((accept_language or "").split(",")):
        tag, _, parameters = entry.strip().partition(";")
        name, _, weight = parameters.strip().partition("=")
        try:
            quality = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        primary = tag.lower().split("-")[0]
        weighted += [(-quality, position, language) for language in LANGUAGES if language == primary and quality > 0]
    return min(weighted)[2] if weighted else "en"
