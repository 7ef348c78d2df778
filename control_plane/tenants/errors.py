from typing import ClassVar

from control_plane.errors import Conflict, Invalid, NotFound


class UnknownTenant(NotFound):
    code: ClassVar[str] = "unknown_tenant"

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is no tenant {slug!r}. `GET /v1/tenants` lists them.", slug=slug)


class InvalidSlug(Invalid):
    code: ClassVar[str] = "invalid_slug"

    def __init__(self, slug: str, why: str, suggestion: str) -> None:
        super().__init__(
            f"The slug {slug!r} cannot be used: {why}. {suggestion!r} would do; without a slug the platform makes one.", slug=slug
        )


class SlugTaken(Conflict):
    code: ClassVar[str] = "slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"The slug {slug!r} belongs to another tenant. Choose another, or leave it out and the platform makes one.", slug=slug
        )


class TenantGoing(Conflict):
    code: ClassVar[str] = "tenant_deleted"

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(
            f"The tenant {slug!r} is {state.replace('_', ' ')}: it takes no more changes. Create a new one.", slug=slug, state=state
        )


class OwnerClaimed(Conflict):
    code: ClassVar[str] = "owner_claimed"

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"The owner of {slug!r} has set a password already: invitations are over. They sign in, or ask for a new password there.",
            slug=slug,
        )


class InvalidFactName(Invalid):
    code: ClassVar[str] = "invalid_fact"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} has a field of its own in the request; give it there and not among `facts`.", fact=name)
