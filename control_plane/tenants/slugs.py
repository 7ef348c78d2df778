"""A slug names a tenant in addresses. Its database, roles and folders are named by its id, so a slug may be given to another later."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 40
SHORTEST: Final = 3
_RESERVED: Final = """
    about account admin administrator api app assets auth billing blog cdn clinic clinics cloud compliance console
    dashboard demo-platform dentalpin dev docs download email enterprise events ftp health help home imap internal keys
    login logout mail marketplace me metrics modules new operations ops partner partners platform pop portal pricing
    register releases reseller root sales security server settings shop sign-in sign-up signin signup smtp sso staging
    static status store support system team tenant tenants test v1 v2 webhook webhooks welcome www
"""
RESERVED: Final = frozenset(_RESERVED.split())
_VALID: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def why_invalid(slug: str) -> str | None:
    """What is wrong with a slug, for a person; None when nothing is."""
    if not SHORTEST <= len(slug) <= LONGEST:
        return f"it has {len(slug)} characters and must have {SHORTEST} to {LONGEST}"
    if not _VALID.fullmatch(slug):
        return "it must begin with a letter and consist of a-z, 0-9 and single hyphens between them"
    if slug in RESERVED:
        return "the platform keeps this word for itself"
    return None


def slug_of(name: str) -> str:
    """A valid slug made of a clinic's name; `clinic` and a form of it where the name gives nothing usable."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ł", "l").replace("Ł", "L"))
    ascii_only = plain.encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    slug = re.sub(r"^[^a-z]+", "", slug)[:LONGEST].rstrip("-")
    if why_invalid(slug) is not None:
        slug = f"clinic-{slug}".rstrip("-")[:LONGEST].rstrip("-") if slug else "our-clinic"
    return slug


def candidates(name: str) -> Iterator[str]:
    """The name's slug, then the same with -2, -3 …"""
    base = slug_of(name)
    yield base
    for number in range(2, 1000):
        suffix = f"-{number}"
        yield base[: LONGEST - len(suffix)].rstrip("-") + suffix
