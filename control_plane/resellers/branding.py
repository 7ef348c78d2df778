"""Whether a reseller's colours can be read and its logo be shown. Pure."""

import struct
from decimal import ROUND_DOWN, Decimal
from typing import Final

from control_plane.resellers.errors import ContrastTooLow, LogoUnusable

ENOUGH: Final = Decimal("4.5")
"""WCAG 2.2, success criterion 1.4.3, level AA, for text of any size."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
LARGEST: Final = 100 * 1024
_SIDES: Final = range(16, 1201)


def contrast_with_white(colour: str) -> Decimal:
    """Of `#rrggbb`, 1 to 21, rounded down to two decimals (WCAG 2.2, relative luminance)."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return Decimal(1.05 / (luminance + 0.05)).quantize(Decimal("0.01"), ROUND_DOWN)


def check_colour(colour: str) -> None:
    """Raises ContrastTooLow: it is the colour of links and of buttons with white text."""
    ratio = contrast_with_white(colour)
    if ratio < ENOUGH:
        raise ContrastTooLow(colour, ratio, ENOUGH)


def check_logo(content: bytes) -> None:
    """Raises LogoUnusable. A PNG alone: unlike SVG it cannot hold scripts, and its size is known from its first bytes."""
    if len(content) > LARGEST:
        raise LogoUnusable(f"it has {len(content) // 1024} KB")
    if not content.startswith(_PNG) or content[12:16] != b"IHDR" or len(content) < 33:
        raise LogoUnusable("it is no PNG")
    width, height = struct.unpack(">II", content[16:24])
    if width not in _SIDES or height not in _SIDES:
        raise LogoUnusable(f"it is {width} x {height} pixels")
