"""The resources the server knows, and how the elements of their lists are told apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Kind:
    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    status: bool = True
    short: str | None = None

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS: Final[tuple[Kind, ...]] = (
    Kind("", "v1", "namespaces", "Namespace", namespaced=False, short="ns"),
    Kind("", "v1", "nodes", "Node", namespaced=False, short="no"),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", status=False, short="sa"),
    Kind("", "v1", "configmaps", "ConfigMap", status=False, short="cm"),
    Kind("", "v1", "secrets", "Secret", status=False),
    Kind("", "v1", "services", "Service", short="svc"),
    Kind("", "v1", "pods", "Pod", short="po"),
    Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short="pvc"),
    Kind("", "v1", "resourcequotas", "ResourceQuota", short="quota"),
    Kind("", "v1", "limitranges", "LimitRange", status=False, short="limits"),
    Kind("", "v1", "events", "Event", status=False, short="ev"),
    Kind("apps", "v1", "deployments", "Deployment", short="deploy"),
    Kind("apps", "v1", "replicasets", "ReplicaSet", short="rs"),
    Kind("batch", "v1", "jobs", "Job"),
    Kind("batch", "v1", "cronjobs", "CronJob", short="cj"),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", short="ing"),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", status=False, short="netpol"),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short="pdb"),
    Kind("rbac.authorization.k8s.io", "v1", "roles", "Role", status=False),
    Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", status=False),
    Kind("coordination.k8s.io", "v1", "leases", "Lease", status=False),
    Kind("postgresql.cnpg.io", "v1", "clusters", "Cluster"),
    Kind("postgresql.cnpg.io", "v1", "databases", "Database"),
)
BY_PLURAL: Final[Mapping[tuple[str, str, str], Kind]] = {(one.group, one.version, one.plural): one for one in KINDS}
BY_KIND: Final[Mapping[tuple[str, str], Kind]] = {(one.api_version, one.kind): one for one in KINDS}

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "hostAliases": ("ip",),
}
_DEFAULTS: Final = {"protocol": "TCP"}
SETS: Final = frozenset({"finalizers"})
"""Lists of texts of which each element is its own key."""


def keys_of(field: str, elements: list[Any]) -> tuple[str, ...] | None:
    """By which fields the elements of the list `field` are told apart; None for a list that is replaced as a whole."""
    if not elements or not all(isinstance(one, dict) for one in elements):
        return None
    keys = _KEYS.get(field)
    if field == "ports":
        keys = ("containerPort", "protocol") if "containerPort" in elements[0] else ("port", "protocol")
        # A network policy's ports are one value: there they may lack a number, or name a range.
        if any(keys[0] not in one or "endPort" in one for one in elements):
            return None
    if keys is None or any(key not in one and key not in _DEFAULTS for one in elements for key in keys):
        return None
    return keys


def key_of(element: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    return tuple((key, element.get(key, _DEFAULTS.get(key))) for key in keys)
