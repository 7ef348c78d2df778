"""Reading a small form: a few short fields, from a page of ours."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from app.core.auth.errors import CrossOrigin
from app.core.auth.state import from_elsewhere
from app.core.errors import DomainError

MAXIMUM: Final = 16 * 1024


class FormRefused(DomainError):
    status = 400
    code = "form_refused"

    def __init__(self) -> None:
        super().__init__("This form cannot be read. Reload the page and send it again.")


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form of ours. Raises CrossOrigin for one that another site's page sent, and FormRefused."""
    if from_elsewhere(request):
        raise CrossOrigin
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAXIMUM:
            raise FormRefused
    if body and request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise FormRefused
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20))
    except ValueError as error:
        raise FormRefused from error
