"""Mistakes in publishing and handling events. No message holds a payload."""

from dentalpin_kit.problems import DomainError


class EventNameUnknown(DomainError):
    status = 500
    code = "event_name_unknown"


class EventPayloadInvalid(DomainError):
    status = 500
    code = "event_payload_invalid"


class EventOfAnotherClinic(DomainError):
    status = 403
    code = "event_of_another_clinic"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The payload of {name} names another clinic than the one this request or handler works for. "
            "Publish events of one's own clinic only.",
            event=name,
        )


class HandlerSignature(DomainError):
    status = 500
    code = "event_handler_signature"

    def __init__(self, handler: str, found: str) -> None:
        super().__init__(
            f"The event handler {handler}{found} takes none of the known forms; write it as `async def handler(db, data)` "
            "(also `handler(data)` and `handler(data, *, db)`).",
            handler=handler,
        )
