"""The API's description, made when somebody asks for it: errors in our shape, and how to sign in."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.core.schemas import ErrorResponse

_SIGN_IN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "The access token of POST /api/v1/auth/login. Pages of this runtime use the session's cookie instead.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of everything mounted; kept once made."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, openapi_version=app.openapi_version, routes=app.routes)
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas.pop("ValidationError", None)
        error = ErrorResponse.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(error.pop("$defs"))
        # FastAPI's name for the answer to a body that cannot be used; it is ours for every error.
        schemas["HTTPValidationError"] = error
        components["securitySchemes"] = {"bearer": _SIGN_IN}
        document["security"] = [{"bearer": []}]
        app.openapi_schema = document
    return app.openapi_schema
