from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, Invalid, NotFound


class UnknownEndpoint(NotFound):
    code: ClassVar[str] = "unknown_webhook"

    def __init__(self, endpoint_id: UUID) -> None:
        super().__init__(f"There is no webhook {endpoint_id}. List them with `GET /v1/webhooks`.", webhook=str(endpoint_id))


class UnknownDelivery(NotFound):
    code: ClassVar[str] = "unknown_delivery"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(
            f"This webhook has no delivery {delivery_id}. List them with `GET /v1/webhooks/{{id}}/deliveries`.", delivery=str(delivery_id)
        )


class UnknownEvents(Invalid):
    code: ClassVar[str] = "unknown_events"

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"There are no events {', '.join(names)}. `GET /v1/webhooks/events` lists those there are.", events=names)


class AddressRefused(Invalid):
    """Also the outcome of an attempt: what a name stands for may change after the endpoint was made."""

    code: ClassVar[str] = "webhook_address_refused"

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"Nothing is sent to {host}: {why}. Use an https address that the internet reaches, or have the platform's operator list its "
            f"network in DENTALPIN_WEBHOOK_NETWORKS.",
            host=host,
        )


class EndpointDisabled(Conflict):
    code: ClassVar[str] = "webhook_disabled"

    def __init__(self, endpoint_id: UUID, reason: str | None) -> None:
        super().__init__(
            f"The webhook {endpoint_id} is disabled: {reason} Enable it first, with `POST /v1/webhooks/{{id}}/enable`.",
            webhook=str(endpoint_id),
        )


class DeliveryPending(Conflict):
    code: ClassVar[str] = "delivery_pending"

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"The delivery {delivery_id} is in the queue still; wait for what becomes of it.", delivery=str(delivery_id))
