"""A runtime that demonstrates a clinic: synthetic records its modules wrote, a mark on every page, and nothing sent to anybody."""

from app.core.demos.demo import DemoClinic, is_demonstration

__all__ = ["DemoClinic", "is_demonstration"]
