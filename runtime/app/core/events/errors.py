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


class EventDeclarationInvalid(DomainError):
    status = 500
    code = "event_declaration_invalid"

    def __init__(self, module: str, event: str, reason: str) -> None:
        super().__init__(f"{module} declares the event {event!r} in get_events(), but {reason}.", module=module, event=event)


class TooManyEvents(DomainError):
    """Transactional handlers that publish to each other without end."""

    status = 500
    code = "event_cascade"

    def __init__(self, names: str) -> None:
        super().__init__(
            f"Transactional handlers go on publishing to each other ({names}); nothing was kept. Drop @transactional from one of them."
        )


class DeliveryUnknown(DomainError):
    status = 404
    code = "delivery_unknown"

    def __init__(self, delivery: int) -> None:
        super().__init__(
            f"There is no delivery {delivery} here. GET /api/v1/events/-/dead-letters lists those that failed.", delivery=delivery
        )


class DeliveryNotDead(DomainError):
    status = 409
    code = "delivery_not_dead"

    def __init__(self, delivery: int, found: str, wanted: str) -> None:
        super().__init__(
            f"Delivery {delivery} is {found}, so it cannot be {wanted}. Look at it again; it may have changed.", delivery=delivery
        )


class DeliveryBusy(DomainError):
    status = 409
    code = "delivery_busy"

    def __init__(self, delivery: int) -> None:
        super().__init__(f"Delivery {delivery} is being tried at this moment; look at it again in a moment.", delivery=delivery)
