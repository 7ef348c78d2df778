"""What a person can do about host names that cannot be had."""

from typing import ClassVar

from control_plane.errors import Conflict, NotFound


class UnknownDomain(NotFound):
    code: ClassVar[str] = "unknown_domain"

    def __init__(self, name: str) -> None:
        super().__init__(f"The clinic has no domain {name!r}. `GET …/domains` lists those it has.", domain=name)


class DomainTaken(Conflict):
    code: ClassVar[str] = "domain_taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was asked for already, or a clinic answers at it. Take it back there first, or choose another.", domain=name
        )


class DomainReserved(Conflict):
    code: ClassVar[str] = "domain_reserved"

    def __init__(self, name: str, ours: str) -> None:
        super().__init__(
            f"{name} is below {ours}, where clinics have their usual addresses. Choose a name of the clinic's own.", domain=name
        )


class TooManyDomains(Conflict):
    code: ClassVar[str] = "too_many_domains"

    def __init__(self, most: int) -> None:
        super().__init__(f"A clinic may have {most} domains. Take one back first.", most=most)


class DomainsUnsupported(Conflict):
    """Clinics are processes of one machine, each at a port of its own."""

    code: ClassVar[str] = "domains_unsupported"

    def __init__(self) -> None:
        super().__init__(
            "Clinics of this platform answer at ports of one machine, and not by name. Put a proxy with the clinic's name in front of its "
            "port, or run clinics on Kubernetes."
        )
