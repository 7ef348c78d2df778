"""Errors as the provider words them."""

from typing import Any


class StripeError(Exception):
    """Answered as {"error": {…}} with this status."""

    def __init__(self, status: int, kind: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"type": kind, "message": message, **facts}}

    @property
    def code(self) -> str | None:
        code: str | None = self.body["error"].get("code")
        return code


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    facts = {name: value for name, value in (("param", param), ("code", code)) if value is not None}
    return StripeError(400, "invalid_request_error", message, **facts)


def missing(kind: str, id_: str, param: str = "id") -> StripeError:
    return StripeError(404, "invalid_request_error", f"No such {kind}: '{id_}'", code="resource_missing", param=param)


def unknown_parameter(name: str) -> StripeError:
    return invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")


class Declined(StripeError):
    """The bank said no, or wants the cardholder to prove who they are."""

    def __init__(self, code: str, decline_code: str | None, message: str, **facts: Any) -> None:
        super().__init__(402, "card_error", message, code=code, **({"decline_code": decline_code} if decline_code else {}), **facts)
