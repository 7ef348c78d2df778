"""What exists in the cluster: objects with their versions, and the log that watches read."""

import asyncio
import copy
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from control_plane.simulators.kubernetes import managed
from control_plane.simulators.kubernetes.kinds import BY_KIND, Kind
from control_plane.simulators.kubernetes.managed import Managers
from control_plane.simulators.kubernetes.quantities import quantity

Object = dict[str, Any]
Key = tuple[str, str, str, str]
"""(apiVersion, kind, namespace, name); the namespace of what has none is empty."""

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_IMMUTABLE: Final = {
    "Deployment": ("spec.selector",),
    "Job": ("spec.template", "spec.selector", "spec.completions"),
    "Secret": ("type",),
    "Service": ("spec.clusterIP",),
}


class ApiError(Exception):
    """Answered as a Status."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
            "details": details,
        }


@dataclass(frozen=True, slots=True)
class Change:
    version: int
    type: str
    key: Key
    object: Object


@dataclass
class Cluster:
    """`now` is the cluster's clock. `calls` counts (verb, group, resource) as RBAC names them; `allowed` refuses what is not in it."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    objects: dict[Key, Object] = field(default_factory=dict)
    managers: dict[Key, Managers] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    version: int = 1
    compacted: int = 0
    """Changes up to here are forgotten: a watch that begins earlier is answered 410."""
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    allowed: frozenset[tuple[str, str, str]] | None = None
    writes: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        for name in ("default", "kube-system"):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, "system")

    # --- reading

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        found = self.objects.get((kind.api_version, kind.kind, namespace, name))
        if found is None:
            raise ApiError(404, "NotFound", f'{kind.plural} "{name}" not found', name=name, kind=kind.plural)
        return found

    def all_of(self, kind: str, namespace: str | None = None, selector: str = "", fields: str = "") -> list[Object]:
        """Objects of a kind, by namespace and name."""
        return [
            found
            for key, found in sorted(self.objects.items())
            if key[1] == kind and namespace in (None, key[2]) and matches(found, selector) and _fields_match(found, fields)
        ]

    def owned(self, owner: Object, kind: str) -> list[Object]:
        uid = owner["metadata"]["uid"]
        return [one for one in self.all_of(kind) if any(each["uid"] == uid for each in one["metadata"].get("ownerReferences", []))]

    # --- writing

    def create(self, given: Object, manager: str) -> Object:
        kind = self._kind(given)
        metadata = given.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
        key = self.key(given)
        if key in self.objects:
            raise ApiError(409, "AlreadyExists", f'{kind.plural} "{key[3]}" already exists', name=key[3], kind=kind.plural)
        self._admit(kind, key)
        made = copy.deepcopy(given)
        self.managers[key] = managed.updated(None, made, {}, manager)
        return self._store_new(kind, key, made)

    def _store_new(self, kind: Kind, key: Key, made: Object) -> Object:
        metadata = made["metadata"]
        metadata.update(uid=str(uuid4()), creationTimestamp=self._time(), generation=1, name=key[3])
        if kind.namespaced:
            metadata["namespace"] = key[2]
        if kind.kind == "Namespace":
            made.setdefault("spec", {"finalizers": ["kubernetes"]})
            made["status"] = {"phase": "Active"}
            metadata.setdefault("labels", {})["kubernetes.io/metadata.name"] = key[3]
        elif kind.status:
            made.setdefault("status", {})
        self.objects[key] = made
        self._record("ADDED", key)
        return made

    def replace(self, given: Object, manager: str) -> Object:
        kind, key = self._kind(given), self.key(given)
        present = self.get(kind, key[2], key[3])
        self._refuse_stale(present, given)
        after = copy.deepcopy(given)
        after["metadata"] = {**after["metadata"], **{name: present["metadata"][name] for name in _KEPT if name in present["metadata"]}}
        if "status" in present:
            after["status"] = present["status"]
        return self._write(kind, key, after, managed.updated(present, after, self.managers.get(key, {}), manager))

    def merge(self, kind: Kind, namespace: str, name: str, patch: Object, manager: str) -> Object:
        """A merge patch (RFC 7396), or a strategic one as far as keyed lists go."""
        present = self.get(kind, namespace, name)
        self._refuse_stale(present, patch)
        after = merge_patch(copy.deepcopy(present), patch)
        key = self.key(present)
        if "status" in present:
            after["status"] = present["status"]
        return self._write(kind, key, after, managed.updated(present, after, self.managers.get(key, {}), manager))

    def apply(self, kind: Kind, namespace: str, name: str, config: Object, manager: str, *, force: bool) -> tuple[Object, bool]:
        """Server-side apply; the object and whether it was made. An apply that changes nothing writes nothing."""
        key = (kind.api_version, kind.kind, namespace if kind.namespaced else "", name)
        config.setdefault("metadata", {}).setdefault("name", name)
        if self._kind(config) is not kind or config["metadata"]["name"] != name:
            raise ApiError(400, "BadRequest", "the object does not match the address it was sent to")
        present = self.objects.get(key)
        if present is None:
            self._admit(kind, key)
        else:
            self._refuse_stale(present, config)
        after, managers, conflicts = managed.apply(present, config, self.managers.get(key, {}), manager, force=force)
        if conflicts:
            causes = [{"reason": "FieldManagerConflict", "message": str(one), "field": managed.dotted(one.path)} for one in conflicts]
            count = f"Apply failed with {len(conflicts)} conflict{'s' if len(conflicts) > 1 else ''}"
            raise ApiError(409, "Conflict", f"{count}: {'; '.join(map(str, conflicts))}", causes=causes)
        if present is None:
            self.managers[key] = managers
            return self._store_new(kind, key, copy.deepcopy(after)), True
        return self._write(kind, key, after, managers), False

    def set_status(self, subject: Object, status: Object) -> Object:
        """What controllers report; writes nothing where it is so already."""
        key = self.key(subject)
        present = self.objects.get(key)
        if present is not None and present.get("status") != status:
            present["status"] = copy.deepcopy(status)
            self._record("MODIFIED", key)
        return subject

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str | None = None) -> Object:
        """Ask for it to go: at once, or once its finalizers have been taken off; a namespace once it is empty."""
        present = self.get(kind, namespace, name)
        if uid is not None and present["metadata"]["uid"] != uid:
            raise ApiError(409, "Conflict", "the UID in the precondition does not match the UID of the object")
        key = self.key(present)
        if kind.kind == "Namespace" or present["metadata"].get("finalizers"):
            if "deletionTimestamp" not in present["metadata"]:
                present["metadata"]["deletionTimestamp"] = self._time()
                if kind.kind == "Namespace":
                    present["status"] = {"phase": "Terminating"}
                self._record("MODIFIED", key)
            return present
        self.remove(key)
        return present

    def remove(self, key: Key) -> None:
        gone = self.objects.pop(key)
        self.managers.pop(key, None)
        self.version += 1
        self.writes += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self.log.append(Change(self.version, "DELETED", key, copy.deepcopy(gone)))

    def compact(self) -> None:
        """Forget what happened so far, as etcd does after five minutes."""
        self.compacted, self.log = self.version, []

    # --- parts

    def key(self, subject: Object) -> Key:
        kind = self._kind(subject)
        metadata = subject["metadata"]
        return kind.api_version, kind.kind, metadata.get("namespace", "default") if kind.namespaced else "", metadata.get("name", "")

    def _kind(self, subject: Object) -> Kind:
        found = BY_KIND.get((subject.get("apiVersion", ""), subject.get("kind", "")))
        if found is None:
            raise ApiError(400, "BadRequest", f"no kind {subject.get('kind')!r} is registered for version {subject.get('apiVersion')!r}")
        return found

    def _admit(self, kind: Kind, key: Key) -> None:
        if not _NAME.fullmatch(key[3]) or (kind.kind in ("Namespace", "Service") and ("." in key[3] or len(key[3]) > 63)):
            raise ApiError(422, "Invalid", f'{kind.kind} "{key[3]}" is invalid: metadata.name: must be a lowercase RFC 1123 name')
        if not kind.namespaced:
            return
        namespace = self.objects.get(("v1", "Namespace", "", key[2]))
        if namespace is None:
            raise ApiError(404, "NotFound", f'namespaces "{key[2]}" not found', name=key[2], kind="namespaces")
        if "deletionTimestamp" in namespace["metadata"]:
            raise ApiError(403, "Forbidden", f"unable to create new content in namespace {key[2]} because it is being terminated")

    def _refuse_stale(self, present: Object, given: Object) -> None:
        wanted = given.get("metadata", {}).get("resourceVersion")
        if wanted and wanted != present["metadata"]["resourceVersion"]:
            name = present["metadata"]["name"]
            raise ApiError(
                409, "Conflict", f'Operation cannot be fulfilled on "{name}": the object has been modified; please apply your changes'
            )

    def _write(self, kind: Kind, key: Key, after: Object, managers: Managers) -> Object:
        present = self.objects[key]
        for path in _IMMUTABLE.get(kind.kind, ()):
            before = managed.read(present, tuple(path.split(".")))
            if before is not None and managed.read(after, tuple(path.split("."))) != before:
                raise ApiError(422, "Invalid", f'{kind.kind} "{key[3]}" is invalid: {path}: Invalid value: field is immutable')
        if (problem := _frozen(kind.kind, present, after)) is not None:
            raise ApiError(422, "Invalid", f'{kind.kind} "{key[3]}" is invalid: {problem}')
        after["metadata"] = {**after["metadata"], **{name: present["metadata"][name] for name in _KEPT if name in present["metadata"]}}
        same = {**after, "status": None} == {**present, "status": None}
        if same and managers == self.managers.get(key, {}):
            return present
        if after.get("spec") != present.get("spec"):
            after["metadata"]["generation"] = present["metadata"]["generation"] + 1
        self.managers[key] = managers
        self.objects[key] = after
        self._record("MODIFIED", key)
        if "deletionTimestamp" in after["metadata"] and not after["metadata"].get("finalizers") and kind.kind != "Namespace":
            self.remove(key)
        return after

    def _record(self, type_: str, key: Key) -> None:
        self.version += 1
        self.writes += 1
        subject = self.objects[key]
        subject["metadata"]["resourceVersion"] = str(self.version)
        subject["metadata"]["managedFields"] = managed.described(self.managers.get(key, {}), key[0], self._time())
        self.log.append(Change(self.version, type_, key, copy.deepcopy(subject)))

    def _time(self) -> str:
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")


_KEPT: Final = ("uid", "creationTimestamp", "generation", "namespace", "name", "deletionTimestamp", "resourceVersion", "managedFields")


def _frozen(kind: str, present: Object, after: Object) -> str | None:
    """What of a change is refused that depends on more than one field."""
    if kind in ("ConfigMap", "Secret") and present.get("immutable") and present.get("data") != after.get("data"):
        return "data: Forbidden: field is immutable when `immutable` is set"
    if kind == "PersistentVolumeClaim":
        was, will = present["spec"], after["spec"]
        if {**was, "resources": None} != {**will, "resources": None}:
            return (
                "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
            )
        sizes = [quantity(((one.get("resources") or {}).get("requests") or {}).get("storage", 0)) for one in (was, will)]
        if sizes[1] < sizes[0]:
            return "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    return None


def merge_patch(target: Any, patch: Any, field: str = "") -> Any:
    """RFC 7396, with lists of named elements merged by name."""
    if isinstance(patch, dict):
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = merge_patch(merged.get(name), value, name)
        return merged
    return patch


def matches(subject: Object, selector: str) -> bool:
    """Whether the labels fit: `a=b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b)`, joined by commas."""
    labels = subject["metadata"].get("labels") or {}
    return all(_fits(labels, part.strip()) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _fits(labels: dict[str, str], part: str) -> bool:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", part):
        inside = labels.get(found[1]) in {value.strip() for value in found[3].split(",")}
        return inside if found[2] == "in" else not inside
    if "!=" in part:
        name, _, value = part.partition("!=")
        return labels.get(name.strip()) != value.strip()
    if "=" in part:
        name, _, value = part.replace("==", "=").partition("=")
        return labels.get(name.strip()) == value.strip()
    return part[1:] not in labels if part.startswith("!") else part in labels


def _fields_match(subject: Object, fields: str) -> bool:
    for part in filter(None, fields.split(",")):
        path, _, value = part.replace("==", "=").partition("=")
        if str(managed.read(subject, tuple(path.split("."))) or "") != value:
            return False
    return True


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a `matchLabels` selector fits."""
    wanted: Iterable[tuple[str, str]] = ((selector or {}).get("matchLabels") or {}).items()
    return all(labels.get(name) == value for name, value in wanted)
