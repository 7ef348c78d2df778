"""The HTTP interface: discovery, reading, writing, applying, watching."""

import asyncio
import copy
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from control_plane.simulators.kubernetes import cluster as state
from control_plane.simulators.kubernetes.cluster import ApiError, Cluster, Object, matches
from control_plane.simulators.kubernetes.controllers import Controllers
from control_plane.simulators.kubernetes.kinds import BY_PLURAL, KINDS, Kind
from control_plane.simulators.kubernetes.runtimes import Runtimes

VERSION: Final = {"major": "1", "minor": "31", "gitVersion": "v1.31.0-simulated", "platform": "linux/amd64", "gitCommit": "simulated"}
APPLY: Final = "application/apply-patch+yaml"
_TICK_SECONDS: Final = 0.05
_VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass
class Simulation:
    """A cluster with its controllers. `running` lets them work by themselves; else a test calls `settle`."""

    cluster: Cluster = field(default_factory=Cluster)
    running: bool = True
    away: bool = False
    """Refuses every request, as an API server that is down behind its load balancer."""
    silent: bool = False
    """Watches that are open tell nothing any more, and do not end: as where something in between forgot the connection."""
    token: str | None = None
    """What every request has to bring as bearer; None: whoever asks is answered."""
    controllers: Controllers = field(init=False)
    runtimes: Runtimes = field(init=False)

    def __post_init__(self) -> None:
        self.controllers = Controllers(self.cluster)
        self.runtimes = Runtimes(self.cluster)

    def settle(self) -> None:
        self.controllers.settle()


@dataclass(frozen=True)
class _Asked:
    kind: Kind
    namespace: str | None
    name: str | None
    part: str | None

    @property
    def place(self) -> str:
        return (self.namespace or "") if self.kind.namespaced else ""


def create_app(simulation: Simulation) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        working = asyncio.create_task(_work(simulation))
        yield
        working.cancel()

    app = Starlette(
        routes=[Route("/{path:path}", _answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])],
        lifespan=lifespan,
        exception_handlers={ApiError: _refused},
    )
    app.state.simulation = simulation
    return app


async def _work(simulation: Simulation) -> None:
    while True:
        if simulation.running and simulation.controllers.step():
            async with simulation.cluster.changed:
                simulation.cluster.changed.notify_all()
        await asyncio.sleep(_TICK_SECONDS)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body, status_code=error.code)


async def _answer(request: Request) -> Response:
    simulation: Simulation = request.app.state.simulation
    if simulation.away:
        raise ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request")
    if simulation.token is not None and not _knows(request, simulation.token):
        raise ApiError(401, "Unauthorized", "Unauthorized")
    parts = [part for part in request.path_params["path"].split("/") if part]
    if (found := _discovery(parts)) is not None:
        return JSONResponse(found)
    if (pod := _proxied(simulation, request.method, parts)) is not None:
        path = "/" + "/".join(parts[parts.index("proxy") + 1 :])
        if simulation.runtimes.is_courier(pod):
            return Response(simulation.runtimes.carry(pod, request.method, await request.body()), media_type="application/octet-stream")
        status, said = simulation.runtimes.answer(pod, request.method, path, dict(request.headers))
        return JSONResponse(said, status_code=status)
    asked = _read_path(parts)
    watching = request.query_params.get("watch", "").lower() in ("true", "1")
    verb = _verb(request.method, asked, watching)
    _permit(simulation.cluster, verb, asked)
    if watching:
        return StreamingResponse(_watch(simulation, asked, request), media_type="application/json")
    body = yaml.safe_load(await request.body()) if request.method != "GET" else None
    answer, status = _carry_out(simulation.cluster, verb, asked, request, body)
    async with simulation.cluster.changed:
        simulation.cluster.changed.notify_all()
    return JSONResponse(answer, status_code=status)


def _knows(request: Request, token: str) -> bool:
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode())


def _verb(method: str, asked: _Asked, watching: bool) -> str:
    if watching:
        return "watch"
    if method == "GET":
        return "get" if asked.name else "list"
    if method == "DELETE" and not asked.name:
        return "deletecollection"
    return _VERBS[method]


def _permit(cluster: Cluster, verb: str, asked: _Asked) -> None:
    resource = asked.kind.plural + (f"/{asked.part}" if asked.part else "")
    call = (verb, asked.kind.group, resource)
    cluster.calls[call] += 1
    if cluster.allowed is not None and call not in cluster.allowed:
        where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
        raise ApiError(403, "Forbidden", f'User "deployer" cannot {verb} resource "{resource}" in API group "{asked.kind.group}"{where}')


def _discovery(parts: list[str]) -> Object | None:
    match parts:
        case ["version"]:
            return dict(VERSION)
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = sorted({(one.group, one.version) for one in KINDS if one.group})
            return {
                "kind": "APIGroupList",
                "apiVersion": "v1",
                "groups": [
                    {
                        "name": group,
                        "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                        "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
                    }
                    for group, version in groups
                ],
            }
        case ["api", version]:
            return _resources("", version)
        case ["apis", group, version]:
            return _resources(group, version)
        case ["readyz"] | ["livez"]:
            return {"status": "ok"}
    return None


def _resources(group: str, version: str) -> Object:
    kinds = [one for one in KINDS if (one.group, one.version) == (group, version)]
    if not kinds:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    named = [
        {"name": one.plural, "singularName": one.kind.lower(), "namespaced": one.namespaced, "kind": one.kind, "verbs": verbs}
        | ({"shortNames": [one.short]} if one.short is not None else {})
        for one in kinds
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": kinds[0].api_version, "resources": named}


def _read_path(parts: list[str]) -> _Asked:
    match parts:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
    namespace = None
    if len(rest) >= 3 and rest[0] == "namespaces" and (group, version, rest[2]) in BY_PLURAL:
        namespace, rest = rest[1], rest[2:]
    kind = BY_PLURAL.get((group, version, rest[0] if rest else ""))
    if kind is None or len(rest) > 3:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    name, part = (rest[1] if len(rest) > 1 else None), (rest[2] if len(rest) > 2 else None)
    if part not in (None, "status", "scale") or (part == "status" and not kind.status):
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
    return _Asked(kind, namespace, name, part)


def _carry_out(cluster: Cluster, verb: str, asked: _Asked, request: Request, body: Any) -> tuple[Object, int]:
    kind, query = asked.kind, request.query_params
    manager = query.get("fieldManager") or (request.headers.get("user-agent") or "unknown").partition("/")[0]
    match verb:
        case "list":
            return _list(cluster, asked, query.get("labelSelector", ""), query.get("fieldSelector", "")), 200
        case "get":
            return cluster.get(kind, asked.place, asked.name or ""), 200
        case "create":
            given = _given(asked, body)
            return cluster.create(given, manager), 201
        case "update":
            given = _given(asked, body)
            if asked.part == "status":
                present = cluster.get(kind, asked.place, asked.name or "")
                return cluster.set_status(present, given.get("status", {})), 200
            return cluster.replace(given, manager), 200
        case "patch":
            return _patch(cluster, asked, request, body, manager)
        case "delete":
            uid = ((body or {}).get("preconditions") or {}).get("uid")
            gone = cluster.delete(kind, asked.place, asked.name or "", uid=uid)
            return copy.deepcopy(gone), 200
        case _:
            for one in cluster.all_of(kind.kind, asked.namespace, query.get("labelSelector", "")):
                cluster.delete(kind, one["metadata"].get("namespace", ""), one["metadata"]["name"])
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 200


def _given(asked: _Asked, body: Any) -> Object:
    if not isinstance(body, dict):
        raise ApiError(400, "BadRequest", "the body is no object")
    given: Object = {"apiVersion": asked.kind.api_version, "kind": asked.kind.kind, **{k: v for k, v in body.items() if v is not None}}
    metadata = {name: value for name, value in (given.get("metadata") or {}).items() if value is not None}
    if asked.kind.namespaced:
        if metadata.get("namespace", asked.namespace) != asked.namespace:
            raise ApiError(400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = asked.namespace
    return {**given, "metadata": metadata}


def _patch(cluster: Cluster, asked: _Asked, request: Request, body: Any, manager: str) -> tuple[Object, int]:
    sort = request.headers.get("content-type", "").partition(";")[0]
    kind, name = asked.kind, asked.name or ""
    if asked.part == "scale":
        body = {"spec": {"replicas": (body.get("spec") or {}).get("replicas")}}
    if asked.part == "status":
        present = cluster.get(kind, asked.place, name)
        return cluster.set_status(present, state.merge_patch(present.get("status", {}), (body or {}).get("status", {}))), 200
    if sort == APPLY:
        if "fieldManager" not in request.query_params:
            raise ApiError(422, "Invalid", "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch")
        config = _given(asked, body)
        if (config["metadata"]).get("managedFields"):
            raise ApiError(400, "BadRequest", "metadata.managedFields must be nil")
        force = request.query_params.get("force", "").lower() == "true"
        found, made = cluster.apply(kind, asked.place, name, config, manager, force=force)
        return found, 201 if made else 200
    if sort == "application/json-patch+json":
        raise ApiError(415, "UnsupportedMediaType", "this server takes apply, merge and strategic merge patches")
    return cluster.merge(kind, asked.place, name, body, manager), 200


def _list(cluster: Cluster, asked: _Asked, labels: str, fields: str) -> Object:
    return {
        "kind": f"{asked.kind.kind}List",
        "apiVersion": asked.kind.api_version,
        "metadata": {"resourceVersion": str(cluster.version)},
        "items": cluster.all_of(asked.kind.kind, asked.namespace, labels, fields),
    }


def _proxied(simulation: Simulation, method: str, parts: list[str]) -> Object | None:
    """The pod whose control port is asked at `…/pods/NAME:PORT/proxy/…`: the method says which right to `pods/proxy` that takes."""
    match parts:
        case ["api", "v1", "namespaces", namespace, "pods", name, "proxy", *_]:
            kind = BY_PLURAL["", "v1", "pods"]
            _permit(simulation.cluster, _VERBS[method], _Asked(kind, namespace, name, "proxy"))
            return simulation.cluster.get(kind, namespace, name.partition(":")[0])
    return None


async def _watch(simulation: Simulation, asked: _Asked, request: Request) -> AsyncIterator[str]:
    """Changes since `resourceVersion`, until `timeoutSeconds` are over, with bookmarks; 410 where they are forgotten."""
    cluster = simulation.cluster
    query = request.query_params
    labels, since = query.get("labelSelector", ""), int(query.get("resourceVersion") or 0)
    loop = asyncio.get_running_loop()
    end = loop.time() + float(query.get("timeoutSeconds") or 3600)
    if since == 0:
        for one in cluster.all_of(asked.kind.kind, asked.namespace, labels):
            yield _line("ADDED", one)
        since = cluster.version
    elif since < cluster.compacted:
        yield _line("ERROR", ApiError(410, "Expired", f"too old resource version: {since} ({cluster.compacted})").body)
        return
    while (left := end - loop.time()) > 0:
        if simulation.away:
            return
        told, bookmarks = since, query.get("allowWatchBookmarks") == "true"
        for change in [one for one in cluster.log if one.version > since and not simulation.silent]:
            since = change.version
            if change.key[1] == asked.kind.kind and asked.namespace in (None, change.key[2]) and matches(change.object, labels):
                told = since
                yield _line(change.type, change.object)
        if bookmarks and told != since:
            version = {"metadata": {"resourceVersion": str(since)}}
            yield _line("BOOKMARK", {"kind": asked.kind.kind, "apiVersion": asked.kind.api_version, **version})
        async with cluster.changed:
            try:
                async with asyncio.timeout(min(left, 1.0)):
                    await cluster.changed.wait()
            except TimeoutError:
                continue


def _line(kind: str, subject: Object) -> str:
    return json.dumps({"type": kind, "object": subject}) + "\n"
