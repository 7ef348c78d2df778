"""What a person can do about clusters that refuse, are missing or are full."""

from typing import ClassVar

from control_plane.errors import Conflict, Invalid, NotFound


class UnknownCluster(NotFound):
    code: ClassVar[str] = "unknown_cluster"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no cluster {name!r}. `GET /v1/clusters` lists them.", cluster=name)


class ClusterNameTaken(Conflict):
    code: ClassVar[str] = "cluster_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a cluster {name!r} already. Change that one, or choose another name.", cluster=name)


class ClusterUnusable(Invalid):
    code: ClassVar[str] = "cluster_unusable"

    def __init__(self, why: str) -> None:
        super().__init__(f"The cluster cannot be used as it is: {why} Correct the kubeconfig or its account's rights, and send it again.")


class ClusterInUse(Conflict):
    code: ClassVar[str] = "cluster_in_use"

    def __init__(self, name: str, clinics: int) -> None:
        super().__init__(
            f"{clinics} clinics run in {name!r}. Set `accepting` to false so that it takes no more; "
            "it can be taken out once they are gone.",
            cluster=name,
            clinics=clinics,
        )


class NoCluster(Conflict):
    """No cluster takes another clinic where this one has to be."""

    code: ClassVar[str] = "no_cluster"

    def __init__(self, region: str | None, *, full: bool) -> None:
        where = f"in {region}" if region else "anywhere"
        super().__init__(
            f"The clinic must run {where}, and no cluster {'has room' if full else 'is registered'} there. "
            "Register one with `POST /v1/clusters`, or raise the capacity of one that is there; then retry.",
            region=region,
        )
