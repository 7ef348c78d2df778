"""What `doctor` looks at, a file per place: the books, the schema, what people and modules wrote, the backups on disk."""

from .finding import Finding, error, warning

__all__ = ["Finding", "error", "warning"]
