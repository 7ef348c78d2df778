"""The ASGI layers around every request of the runtime; plain ASGI, since Starlette's BaseHTTPMiddleware costs a task per request."""

from .headers import SecurityHeadersLayer
from .unit import UnitOfWorkLayer

__all__ = ["SecurityHeadersLayer", "UnitOfWorkLayer"]
