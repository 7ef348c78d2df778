"""How names, phones and documents are compared: pure functions, used when a patient is written and when one is looked for.

The results are stored in columns of their own, so that sorting and searching need neither a named collation nor a function per row.
"""

import re
import unicodedata

_NOT_ALPHANUMERIC = re.compile(r"[^\w]+|_+")
_NOT_DIGIT = re.compile(r"\D+")
# What people type between the digits of a phone number; a search made of these and digits only is a search for a phone.
_PHONE = re.compile(r"[\d\s+().\-/]+")
_SHORTEST_PHONE_FRAGMENT = 3
# Folding can lengthen a text (one ligature, many letters); an index entry has a limit of its own.
_LONGEST_KEY = 200
# Letters that Unicode does not take apart into a plain one and a mark.
_PLAIN = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i"})


def fold(text: str) -> str:
    """`text` without case, accents and repeated or outer white space: "  Núñez   PÉREZ" becomes "nunez perez"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_PLAIN))
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(plain.split())


def sort_name(first_name: str, last_name: str) -> str:
    """The key patient lists are ordered by: last name first, folded, punctuation left out."""
    return " ".join(_NOT_ALPHANUMERIC.sub(" ", fold(f"{last_name} {first_name}")).split())[:_LONGEST_KEY]


def document_key(national_id: str | None) -> str | None:
    """An identity document as it is compared: letters and digits only, folded. None if nothing is left."""
    return _NOT_ALPHANUMERIC.sub("", fold(national_id or ""))[:_LONGEST_KEY] or None


def phone_digits(phone: str | None) -> str | None:
    """The digits of a phone number, without the international prefix's zeros. None if there are none."""
    return _NOT_DIGIT.sub("", phone or "").removeprefix("00") or None


def search_text(*, first_name: str, last_name: str, national_id: str | None, email: str | None, phone: str | None) -> str:
    """Everything a patient can be found by, on one line."""
    name = fold(f"{first_name} {last_name}")
    parts = (name, fold(email or ""), phone_digits(phone), fold(national_id or ""), document_key(national_id))
    return " ".join(part for part in parts if part)


def needles(search: str) -> list[str]:
    """The words a search consists of, the longest (the most selective) first; all of them must be found.

    What looks like a phone number is one word, however it was spaced.
    """
    if _PHONE.fullmatch(search) and len(digits := phone_digits(search) or "") >= _SHORTEST_PHONE_FRAGMENT:
        return [digits]
    return sorted(set(fold(search).split()), key=lambda word: (-len(word), word))


def like_pattern(word: str) -> str:
    """A LIKE pattern that finds `word` anywhere, taken literally."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
