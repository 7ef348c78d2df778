"""Tools: what modules let agents do. The registry is the only way to call one."""

from .base import Tool, ToolCategory, ToolError, ToolResult

__all__ = ["Tool", "ToolCategory", "ToolError", "ToolResult"]
