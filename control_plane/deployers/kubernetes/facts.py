"""What a clinic's manifests are rendered from. Values only: the same facts give the same bytes.

What must not stand in a golden file or an annotation (`Credentials`) travels apart from what may.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from control_plane.deployers.base import DatabaseAddress, Need, Placement

DOMAIN: Final = "dentalpin.io"
"""Prefix of our labels and annotations."""
MANAGER: Final = "dentalpin"
"""The field manager of all we apply, and the value of `app.kubernetes.io/managed-by`."""
OWNER_URL, APP_URL, SECRET_KEY, DATA_KEY, SMTP_URL = "owner.url", "app.url", "secret.key", "data.key", "smtp.url"
"""Keys of the clinic's Secret."""

Host = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z][-a-z0-9]{0,61}[a-z0-9]$", max_length=253)]
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Network = Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]


class ClusterFacts(BaseModel):
    """What is the same for all clinics of one cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: Host
    """Clinics answer at `<slug>.<domain>`."""
    ingress_class: Label = "nginx"
    ingress_namespace: Label = "ingress-nginx"
    """Where the ingress controller's pods are: only they may ask a clinic's public port."""
    ingress_annotations: dict[str, str] = {}
    issuer: str = Field("letsencrypt", max_length=253)
    """cert-manager's ClusterIssuer."""
    dns_namespace: Label = "kube-system"
    """Where the cluster's name servers run as pods."""
    dns_networks: tuple[Network, ...] = ()
    """Where names are asked beside that: a cache on each node (`169.254.20.10/32`) is no pod of a namespace."""
    platform_namespace: Label | None = "dentalpin"
    """Where the control plane runs, if it runs in this cluster."""
    control_networks: tuple[Network, ...] = ()
    """From where else control channels are asked: the API server's addresses where it is asked through its proxy."""
    database_networks: tuple[Network, ...] = ()
    """Where database servers stand; empty: wherever, on their port."""
    database_namespace: Label | None = None
    """Where database servers run as pods of this cluster."""
    mail_networks: tuple[Network, ...] = ()
    mail_port: int | None = Field(None, ge=1, le=65535)
    """Of the mail server clinics send by; None: they send none."""
    trusted_proxies: tuple[Network, ...] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    storage_class: str | None = Field(None, max_length=253)
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = "ReadWriteMany"
    """ReadWriteOnce keeps all pods of a clinic on one node."""
    reach: Literal["direct", "proxy"] = "direct"
    """How control channels are asked: at the pods' own addresses, or through the API server."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the clinic's Secret holds."""

    owner_password: str = field(repr=False)
    app_password: str = field(repr=False)
    secret_key: str = field(repr=False)
    data_key: str = field(repr=False)
    smtp_url: str | None = field(default=None, repr=False)

    def entries(self, database: DatabaseAddress, owner: str, app: str) -> dict[str, str]:
        """As files of the Secret; `owner` and `app` are the roles to sign in with."""
        found = {
            OWNER_URL: _url(database, owner, self.owner_password),
            APP_URL: _url(database, app, self.app_password),
            SECRET_KEY: self.secret_key,
            DATA_KEY: self.data_key,
        }
        return found | ({SMTP_URL: self.smtp_url} if self.smtp_url else {})


def _url(database: DatabaseAddress, role: str, password: str) -> str:
    host = f"[{database.host}]" if ":" in database.host else database.host
    return f"postgresql://{quote(role, safe='')}:{quote(password, safe='')}@{host}:{database.port}/{quote(database.name, safe='')}"


@dataclass(frozen=True, slots=True)
class ClinicFacts:
    """One clinic, as it is to run."""

    tenant_id: UUID
    slug: str
    name: str
    image: str
    database: DatabaseAddress
    revision: Mapping[str, Any]
    domains: tuple[str, ...] = ()
    """Its own host names beside `<slug>.<domain>`."""
    needs: tuple[Need, ...] = ()
    """What its modules reach outside."""
    credentials_serial: int = 0
    """Rises when passwords are made anew: the pods are replaced by ones that use them."""
    suspended: bool = False

    @classmethod
    def of(cls, tenant: Placement, revision: Mapping[str, Any], database: DatabaseAddress, *, image: str, serial: int = 0) -> Self:
        return cls(
            tenant_id=tenant.tenant_id,
            slug=tenant.slug,
            name=tenant.name,
            image=image,
            database=database,
            revision=revision,
            domains=tuple(sorted(tenant.domains)),
            needs=tuple(sorted(tenant.needs)),
            credentials_serial=serial,
        )

    @property
    def namespace(self) -> str:
        return namespace_of(self.tenant_id)

    @property
    def generation(self) -> int:
        return int(self.revision["generation"])

    @property
    def database_digest(self) -> str:
        """Of where the database is and as whom it is used: another one needs other pods."""
        database = self.database
        text = json.dumps(
            [database.host, database.port, database.name, database.owner_role, database.app_role, self.credentials_serial],
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def namespace_of(tenant_id: UUID) -> str:
    return f"clinic-{tenant_id.hex}"


def tenant_of(namespace: str) -> UUID | None:
    """The tenant a namespace belongs to; None for one that is not ours."""
    prefix, _, digits = namespace.partition("-")
    if prefix != "clinic" or len(digits) != 32:
        return None
    try:
        return UUID(hex=digits)
    except ValueError:
        return None
