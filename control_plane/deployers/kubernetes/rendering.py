"""Facts → manifests. Pure: the same facts give the same objects, in the order in which they are applied."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import UUID

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape

from control_plane.deployers.kubernetes.facts import DOMAIN, MANAGER, SECRET_KEY, ClinicFacts, ClusterFacts, namespace_of
from control_plane.deployers.kubernetes.sizes import size_of
from dentalpin_kit.canonical import canonical_json

Manifest = dict[str, Any]

ORDER: Final = (
    "namespace",
    "access",
    "bounds",
    "network",
    "volume",
    "revision",
    "secret",
    "service",
    "ingress",
    "backup",
    "clinic",
)
"""The Deployment comes last: its annotations say what was applied, so they are true only once everything else is there."""
DIGEST: Final = f"{DOMAIN}/digest"
POD_DIGEST: Final = f"{DOMAIN}/pod-digest"
GENERATION: Final = f"{DOMAIN}/generation"
FACTS: Final = f"{DOMAIN}/facts"
_NO_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_NIGHT_BEGINS_HOUR: Final = 1
_NIGHT_MINUTES: Final = 240


@dataclass(frozen=True, slots=True)
class Manifests:
    objects: tuple[Manifest, ...]
    digest: str
    """Of everything but how many pods there are (`replicas`) and the annotations that say so."""
    pod_digest: str
    """Of the pods' template: another one replaces them."""

    @property
    def deployment(self) -> Manifest:
        return self.objects[-1]

    @property
    def resting(self) -> tuple[Manifest, ...]:
        """What differs while the clinic is suspended. The Deployment comes last: it says that the others were applied."""
        return tuple(one for one in self.objects if one["kind"] in ("CronJob", "Deployment"))


def render(clinic: ClinicFacts, cluster: ClusterFacts, secret: Mapping[str, str], registry: str | None = None) -> Manifests:
    """All objects of a clinic. `secret` is what its Secret holds, as text by name; `registry` what images are pulled with, as a docker
    configuration, where nodes cannot by themselves."""
    context = _context(clinic, cluster, pull=registry is not None) | {"entries": dict(secret), "registry": registry}
    objects = [manifest for name in ORDER for manifest in _load(name, context)]
    deployment = objects[-1]
    pod_digest = _digest(deployment["spec"]["template"])
    # Nobody can try passwords against a digest without the clinic's own key.
    key = secret.get(SECRET_KEY, "").encode()
    digest = _digest([_counted(one, key) for one in objects])
    deployment["metadata"]["annotations"] = {
        DIGEST: digest,
        POD_DIGEST: pod_digest,
        GENERATION: str(clinic.generation),
        FACTS: canonical_json(_facts(clinic)),
    }
    return Manifests(tuple(objects), digest, pod_digest)


def render_namespace(tenant_id: UUID) -> Manifest:
    """What has to be there before anything else, and needs to know nothing but whose it is."""
    whose = {"tenant_id": tenant_id, "namespace": namespace_of(tenant_id)}
    return _load("namespace", {"clinic": whose, "domain": DOMAIN, "manager": MANAGER})[0]


def fitted(claim: Manifest, present: Mapping[str, Any] | None) -> Manifest:
    """A volume's claim as the API server takes it where there is one: it never shrinks, and stays the kind of volume it was made as."""
    if present is None:
        return claim
    spec, was = claim["spec"], present["spec"]
    made_as = {name: was[name] for name in ("accessModes", "storageClassName") if name in was}
    wanted, had = (_gibibytes(one["resources"]["requests"]["storage"]) for one in (spec, was))
    storage = spec["resources"]["requests"]["storage"] if had is not None and wanted is not None and wanted >= had else None
    resources = {"requests": {"storage": storage or was["resources"]["requests"]["storage"]}}
    return {**claim, "spec": {**made_as, "resources": resources}}


def _gibibytes(quantity: str) -> int | None:
    """None for what somebody else wrote in another unit."""
    found = re.fullmatch(r"(\d+)(Gi|Ti)", quantity)
    return int(found[1]) * (1024 if found[2] == "Ti" else 1) if found else None


def render_removal(clinic: ClinicFacts, cluster: ClusterFacts, *, pull: bool = False) -> Manifest:
    """The Job that takes out the data of modules which no pod serves any more."""
    return _load("removal", _context(clinic, cluster, pull=pull))[0]


def render_courier(clinic: ClinicFacts, cluster: ClusterFacts, *, pull: bool = False) -> list[Manifest]:
    """The Job that carries files and exports between the clinic's volume and the platform, and who may ask it."""
    return _load("courier", _context(clinic, cluster, pull=pull))


def render_rehearsal(clinic: ClinicFacts, cluster: ClusterFacts, secret: Mapping[str, str], *, pull: bool = False) -> list[Manifest]:
    """The Job that tries a release on a copy of the clinic's data, and what it signs in with. The Job comes last."""
    return _load("rehearsal", _context(clinic, cluster, pull=pull) | {"entries": dict(secret)})


def hosts_of(clinic: ClinicFacts, cluster: ClusterFacts) -> tuple[str, ...]:
    """Where the clinic answers; the first is the address it is known by."""
    return (f"{clinic.slug}.{cluster.domain}", *clinic.domains)


def as_yaml(objects: Sequence[Manifest]) -> str:
    """Documents in one file, for people."""
    return "---\n".join(yaml.safe_dump(one, sort_keys=False, allow_unicode=True, width=140) for one in objects)


def _context(clinic: ClinicFacts, cluster: ClusterFacts, *, pull: bool) -> dict[str, Any]:
    return {
        "pull": pull,
        "clinic": clinic,
        "cluster": cluster,
        "domain": DOMAIN,
        "manager": MANAGER,
        "size": size_of(clinic.revision.get("limits") or {}),
        "hosts": hosts_of(clinic, cluster),
        "revision_name": f"revision-{clinic.generation}",
        "revision_text": json.dumps(clinic.revision, ensure_ascii=False, indent=1, sort_keys=True),
        "backup_schedule": _at_night(clinic),
    }


def _at_night(clinic: ClinicFacts) -> str:
    """A minute of the night that is the clinic's own, so that not all of them read their databases at once."""
    minute = int(hashlib.sha256(clinic.tenant_id.bytes).hexdigest()[:8], 16) % _NIGHT_MINUTES
    return f"{minute % 60} {_NIGHT_BEGINS_HOUR + minute // 60} * * *"


def _facts(clinic: ClinicFacts) -> dict[str, Any]:
    """What cannot be read back from the objects: enough to render them again without the control plane's database."""
    database = clinic.database
    return {
        "slug": clinic.slug,
        "name": clinic.name,
        "image": clinic.image,
        "database": [database.host, database.port, database.name, database.owner_role, database.app_role],
        "domains": list(clinic.domains),
        "needs": [[need.to, need.port, need.protocol] for need in clinic.needs],
        "credentials_serial": clinic.credentials_serial,
    }


def _load(name: str, context: Mapping[str, Any]) -> list[Manifest]:
    found = [one for one in yaml.safe_load_all(_template(name).render(context)) if one is not None]
    assert found, f"the template {name} renders nothing"
    return found


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.yaml.j2")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("control_plane.deployers.kubernetes"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # YAML, in which every text is written by `tojson`: what would be escaped for a page is not.
        autoescape=select_autoescape(default=False),
    )
    environment.filters["tojson"] = _quoted
    environment.filters["b64"] = lambda text: base64.b64encode(text.encode()).decode()
    environment.filters["short"] = lambda text: hashlib.sha256(text.encode()).hexdigest()[:12]
    return environment


def _quoted(value: Any) -> str:
    """JSON that is YAML as well: what YAML takes for no character, or for the end of a line, is escaped."""
    return _NO_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, sort_keys=True))


def _counted(manifest: Manifest, key: bytes) -> Manifest:
    """As the digest sees it: a clinic that sleeps is the same clinic, and secrets are told by nothing that is shown."""
    if manifest["kind"] == "Secret":
        return {**manifest, "data": hmac.digest(key, json.dumps(manifest["data"], sort_keys=True).encode(), "sha256").hex()}
    if manifest["kind"] == "Deployment":
        return {**manifest, "spec": {**manifest["spec"], "replicas": None}}
    if manifest["kind"] == "CronJob":
        return {**manifest, "spec": {**manifest["spec"], "suspend": None}}
    return manifest


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
