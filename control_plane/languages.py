"""The languages the platform speaks to people: English, and Spanish where the reader prefers it."""

from datetime import date
from decimal import Decimal
from typing import Final, Literal

Language = Literal["en", "es"]
LANGUAGES: tuple[Language, ...] = ("en", "es")
_MONTHS: Final[dict[Language, str]] = {
    "en": "January February March April May June July August September October November December",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
}


def day(value: date, language: Language) -> str:
    """A date in words: 3 March 2027, 3 de marzo de 2027."""
    month = _MONTHS[language].split()[value.month - 1]
    return f"{value.day} de {month} de {value.year}" if language == "es" else f"{value.day} {month} {value.year}"


_SYMBOLS: Final = {"EUR": "€", "GBP": "£", "USD": "$"}


def money(amount: Decimal, currency: str, language: Language) -> str:
    """Two decimals, as the language writes amounts. A no-break space keeps amount and sign together."""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    if language == "es":
        return f"{amount:,.2f}".translate(str.maketrans(",.", ".,")) + f"\N{NO-BREAK SPACE}{symbol.strip()}"
    return f"{'-' if amount < 0 else ''}{symbol}{abs(amount):,.2f}"


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
