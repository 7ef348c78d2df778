"""What is declared to CloudNativePG (`postgresql.cnpg.io/v1`). Pure: the same facts give the same objects.

A server is a `Cluster` with one managed role, the administrator; a tenant's database is a `Database`. Tenants' roles are made over SQL:
`managed.roles` is one list of the Cluster with one owner, which each new tenant would have to write anew, and CloudNativePG leaves roles
alone that are not in it.
"""

import base64
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from control_plane.deployers.kubernetes.facts import MANAGER

Object = dict[str, Any]

ADMIN: Final = "dentalpin_databases"
PORT: Final = 5432
_LABELS: Final = {"app.kubernetes.io/managed-by": MANAGER}
_Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$")]
_Quantity = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(Mi|Gi|Ti)$")]


class Declared(BaseModel):
    """A server as it is declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
    """Which of the registered Kubernetes clusters carries it."""
    namespace: _Name
    """Must be there, and be nobody's but the databases'."""
    name: _Name
    instances: Annotated[int, Field(ge=1, le=9)] = 3
    storage: _Quantity = "50Gi"
    storage_class: Annotated[str, Field(max_length=253)] | None = None
    image: Annotated[str, Field(max_length=300)] | None = None
    """PostgreSQL's image; the operator's own where nothing is said."""
    connections: Annotated[int, Field(ge=50, le=5000)] = 500
    memory: _Quantity = "2Gi"
    cpu: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}m?$")] = "1"
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")] | None = None
    """Where the platform reaches it, if not at the service of its primary."""
    port: Annotated[int, Field(ge=1, le=65535)] = PORT

    @property
    def service(self) -> str:
        """Of whoever is primary, as pods of the cluster name it."""
        return f"{self.name}-rw.{self.namespace}.svc"

    @property
    def secret(self) -> str:
        return f"{self.name}-{ADMIN.replace('_', '-')}"


def admin_secret(declared: Declared, password: str) -> Object:
    """The administrator's password, as the operator takes it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        # The operator looks at a Secret again only where it is labelled so.
        "metadata": {"name": declared.secret, "namespace": declared.namespace, "labels": {**_LABELS, "cnpg.io/reload": "true"}},
        "type": "kubernetes.io/basic-auth",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in (("username", ADMIN), ("password", password))},
    }


def server(declared: Declared) -> Object:
    storage: Object = {"size": declared.storage}
    if declared.storage_class is not None:
        storage["storageClass"] = declared.storage_class
    resources = {"requests": {"cpu": declared.cpu, "memory": declared.memory}, "limits": {"memory": declared.memory}}
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": declared.name, "namespace": declared.namespace, "labels": dict(_LABELS)},
        "spec": {
            "instances": declared.instances,
            **({"imageName": declared.image} if declared.image is not None else {}),
            "enableSuperuserAccess": False,
            "storage": storage,
            "resources": resources,
            "postgresql": {"parameters": {"max_connections": str(declared.connections)}},
            "managed": {
                "roles": [
                    {
                        "name": ADMIN,
                        "ensure": "present",
                        "comment": "Makes and drops the clinics' roles and databases.",
                        "login": True,
                        "createdb": True,
                        "createrole": True,
                        "inherit": True,
                        "passwordSecret": {"name": declared.secret},
                    }
                ]
            },
        },
    }


def database(declared: Declared, name: str, owner: str) -> Object:
    """A tenant's database. It goes with the resource: what is kept of a deleted tenant is its last dump."""
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Database",
        "metadata": {"name": resource_name(name), "namespace": declared.namespace, "labels": dict(_LABELS)},
        "spec": {
            "name": name,
            "owner": owner,
            "cluster": {"name": declared.name},
            "ensure": "present",
            "template": "template0",
            "encoding": "UTF8",
            "databaseReclaimPolicy": "delete",
        },
    }


def resource_name(database: str) -> str:
    return database.replace("_", "-")
