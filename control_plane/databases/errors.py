"""What a person can do about database servers that refuse, are missing or are full."""

from collections.abc import Sequence
from typing import ClassVar

from control_plane.errors import Conflict, Invalid, NotFound


class NoServerForResidency(Conflict):
    """The law says where the data must lie, and no server there takes another tenant."""

    code: ClassVar[str] = "no_server_for_residency"

    def __init__(self, regions: Sequence[str], proofs: Sequence[str], *, full: bool) -> None:
        where = f"in {' or '.join(regions)}" if regions else "anywhere, since the laws of its clinics name no region in common"
        proven = f" whose host can show {' and '.join(proofs)}" if proofs else ""
        why = "takes another tenant" if full else "is registered"
        super().__init__(
            f"The clinic's data must lie {where}{proven}, and no database server {why} there. "
            "Register one with `POST /v1/database-servers`, or raise the capacity of one that is there.",
            regions=list(regions),
            proofs=list(proofs),
        )


class ResidencyBroken(Conflict):
    """The law of today wants the tenant's data elsewhere than it lies."""

    code: ClassVar[str] = "residency_broken"

    def __init__(self, region: str, regions: Sequence[str], proofs: Sequence[str]) -> None:
        where = " or ".join(regions) or "nowhere that all its clinics' laws allow"
        proven = f", with a host that can show {' and '.join(proofs)}" if proofs else ""
        super().__init__(
            f"The clinic's data lies in {region}, and its law wants it in {where}{proven}. Restore it on a server there, or correct the "
            "clinic's facts.",
            region=region,
            regions=list(regions),
            proofs=list(proofs),
        )


class UnknownServer(NotFound):
    code: ClassVar[str] = "unknown_database_server"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no database server {name!r}. `GET /v1/database-servers` lists them.", server=name)


class ServerNameTaken(Conflict):
    code: ClassVar[str] = "database_server_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a database server {name!r} already. Change that one, or choose another name.", server=name)


class ServerUnusable(Invalid):
    code: ClassVar[str] = "database_server_unusable"

    def __init__(self, why: str) -> None:
        super().__init__(f"The server cannot be used as it is: {why} Correct `admin_url` or the role behind it, and send it again.")


class ServerNotReady(Conflict):
    code: ClassVar[str] = "database_server_not_ready"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name!r} takes no tenants yet: {why} Set `accepting` once it is ready.", server=name)


class ServerInUse(Conflict):
    code: ClassVar[str] = "database_server_in_use"

    def __init__(self, name: str, tenants: int) -> None:
        super().__init__(
            f"{tenants} tenants have their data on {name!r}. Set `accepting` to false so that it takes no more; "
            "it can be taken out once they are gone.",
            server=name,
            tenants=tenants,
        )


class NotRotatable(Conflict):
    code: ClassVar[str] = "passwords_not_rotatable"

    def __init__(self, slug: str, state: str) -> None:
        super().__init__(
            f"{slug!r} is {state.replace('_', ' ')}: passwords are made anew where the clinic is active or degraded. "
            "Wait for the operation at work, or reopen the clinic.",
            slug=slug,
            state=state,
        )
