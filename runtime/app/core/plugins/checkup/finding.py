"""One thing that is wrong. Errors keep something from working, warnings do not."""

from dataclasses import dataclass

from app.core.plugins.manifest_validator import Severity


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    severity: Severity
    module: str
    """Empty for what is nobody's."""
    message: str


def error(code: str, module: str, message: str) -> Finding:
    return Finding(code, Severity.ERROR, module, message)


def warning(code: str, module: str, message: str) -> Finding:
    return Finding(code, Severity.WARNING, module, message)
