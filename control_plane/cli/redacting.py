"""Taking out of a sentence what may be a secret or somebody's: it errs on the side of taking too much.

What a person wrote or a database quoted stands between quotes or brackets; what a machine made as a secret is long or has a known
beginning.
"""

import re
from typing import Any, Final

GONE: Final = "‹removed›"
_PATTERNS: Final = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # Key (name)=(value) as PostgreSQL reports it, and what stands in quotes.
        (r"=\s*\([^)]*\)", 0),
        (r"'[^'\n]*'|\"[^\"\n]*\"|«[^»\n]*»|“[^”\n]*”", 0),
        # user:password@ and everything behind a question mark, in addresses.
        (r"(?<=://)[^/\s@]+@", 0),
        (r"(?<=\S)\?\S+", 0),
        (r"[\w.+-]+@[\w-]+(\.[\w-]+)+", 0),
        (r"\bbearer\s+\S+|\b(password|secret|token|key)\b\s*[:=]\s*\S+", re.IGNORECASE),
        (r"\b(dpk|whsec|sk|pk|eyJ)_?[\w.+/=-]{8,}", 0),
        (r"\b[A-Z]{0,2}\d{7,}[A-Z]?\b|\+\d[\d ]{7,}\d", 0),
        (r"(?<![\w-])(?![0-9a-f]{8}-[0-9a-f]{4}-)[\w+/=-]{32,}", 0),
    )
)


def redact(value: Any) -> Any:
    """The value with every text in it redacted."""
    if isinstance(value, dict):
        return {name: redact(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    if not isinstance(value, str):
        return value
    for pattern in _PATTERNS:
        value = pattern.sub(GONE, value)
    return value
