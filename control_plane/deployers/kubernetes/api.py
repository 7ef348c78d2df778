"""The few calls of the Kubernetes API that the deployer makes; what it refuses becomes a reason a person can act on.

The official client opens the connection, with whatever a kubeconfig says of certificates and tokens; objects are the server's own JSON,
so that nothing is lost between versions. Imported only where clinics run on Kubernetes.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import aiohttp
from kubernetes import aio

from control_plane.deployers.base import DeployerUnavailable, RuntimeRefused
from control_plane.deployers.kubernetes.facts import MANAGER
from dentalpin_kit.logs import scrub

Object = dict[str, Any]

SECONDS: Final = 20.0
"""One call that reads; a watch has its own."""
WRITE_SECONDS: Final = 40.0
"""One call that writes: admission webhooks may take up to thirty of them before the API server goes on without."""
APPLY: Final = "application/apply-patch+yaml"
MINE: Final = f"app.kubernetes.io/managed-by={MANAGER}"
_CONFLICT_WITH: Final = re.compile(r'conflicts? with "([^"]+)"')
_TEMPORARY: Final = frozenset({408, 429, 500, 502, 503, 504})
_NETWORK: Final = (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class Resource:
    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{inside}/{self.plural}" + (f"/{name}" if name else "")


RESOURCES: Final[Mapping[str, Resource]] = {
    "Namespace": Resource("v1", "namespaces", namespaced=False),
    "ServiceAccount": Resource("v1", "serviceaccounts"),
    "ResourceQuota": Resource("v1", "resourcequotas"),
    "LimitRange": Resource("v1", "limitranges"),
    "NetworkPolicy": Resource("networking.k8s.io/v1", "networkpolicies"),
    "PersistentVolumeClaim": Resource("v1", "persistentvolumeclaims"),
    "ConfigMap": Resource("v1", "configmaps"),
    "Secret": Resource("v1", "secrets"),
    "Service": Resource("v1", "services"),
    "PodDisruptionBudget": Resource("policy/v1", "poddisruptionbudgets"),
    "Ingress": Resource("networking.k8s.io/v1", "ingresses"),
    "CronJob": Resource("batch/v1", "cronjobs"),
    "Deployment": Resource("apps/v1", "deployments"),
    "Job": Resource("batch/v1", "jobs"),
    "Pod": Resource("v1", "pods"),
    "Cluster": Resource("postgresql.cnpg.io/v1", "clusters"),
    "Database": Resource("postgresql.cnpg.io/v1", "databases"),
    "Pooler": Resource("postgresql.cnpg.io/v1", "poolers"),
    "ScheduledBackup": Resource("postgresql.cnpg.io/v1", "scheduledbackups"),
}


class Expired(Exception):
    """What a watch would begin with is forgotten: list again."""


class Api:
    """One cluster's API server. Opened by the first call, in the loop of whoever calls; `close` ends it."""

    def __init__(self, name: str, kubeconfig: Mapping[str, Any] | None) -> None:
        """`kubeconfig` as a document; None for the cluster this process itself runs in (its service account)."""
        self._name, self._kubeconfig = name, kubeconfig
        self._client: Any = None
        self._opening = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._name

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    # --- what the deployer asks

    async def get(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """None where there is none. Raises DeployerUnavailable, RuntimeRefused; so do all of these."""
        return await self._call("GET", RESOURCES[kind].path(namespace, name), missing=True)

    async def list(self, kind: str, namespace: str | None, selector: str = MINE) -> tuple[list[Object], str]:
        """The objects, and the version they are of."""
        found = await self._call("GET", RESOURCES[kind].path(namespace), {"labelSelector": selector})
        assert found is not None
        return list(found.get("items") or ()), str(found["metadata"]["resourceVersion"])

    async def create(self, subject: Object, *, kind: str) -> Object | None:
        """None where one of this name is there already."""
        path = RESOURCES[kind].path(subject["metadata"].get("namespace"))
        return await self._call("POST", path, {"fieldManager": MANAGER}, subject, missing_status=409)

    async def apply(self, subject: Object, *, force: bool = False) -> Object:
        """Server-side apply. Raises RuntimeRefused (`field_conflict`) where another field manager set something else, unless forced."""
        metadata = subject["metadata"]
        path = RESOURCES[subject["kind"]].path(metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": MANAGER, "force": "true" if force else "false"}
        found = await self._call("PATCH", path, query, subject, content_type=APPLY)
        assert found is not None
        return found

    async def merge(self, kind: str, namespace: str | None, name: str, patch: Object) -> Object | None:
        """A merge patch (RFC 7396); None where it is not there."""
        content = "application/merge-patch+json"
        path = RESOURCES[kind].path(namespace, name)
        return await self._call("PATCH", path, {"fieldManager": MANAGER}, patch, content_type=content, missing=True)

    async def delete(self, kind: str, namespace: str | None, name: str) -> bool:
        """Ask for it to go, with what it owns; whether it was there."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        return await self._call("DELETE", RESOURCES[kind].path(namespace, name), body=body, missing=True) is not None

    async def watch(
        self, kind: str, since: str, *, seconds: float, silence: float, selector: str = MINE
    ) -> AsyncIterator[tuple[str, Object]]:
        """Changes (type, object) of all namespaces, bookmarks included, until `seconds` are over.

        Raises Expired, and DeployerUnavailable also where nothing at all came for `silence` seconds.
        """
        query = {
            "labelSelector": selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(int(seconds)),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=SECONDS, sock_read=silence)
        response = await self._send("GET", RESOURCES[kind].path(), query, timeout=timeout)
        try:
            if response.status == 410:
                raise Expired
            if response.status != 200:
                self._refuse(response.status, await response.read(), f"watch {kind}")
            while line := await response.response.content.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    if event["object"].get("code") == 410:
                        raise Expired
                    self._refuse(int(event["object"].get("code") or 500), line, f"watch {kind}")
                yield event["type"], event["object"]
        except (*_NETWORK, ValueError) as error:
            raise self._away(error) from error
        finally:
            response.response.close()

    @staticmethod
    def proxy_path(namespace: str, pod: str, port: int, path: str) -> str:
        return f"{RESOURCES['Pod'].path(namespace, f'{pod}:{port}')}/proxy{path}"

    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str], content: AsyncIterable[bytes] | None, seconds: float
    ) -> AsyncGenerator[bytes, None]:
        """A long request through the API server, piece by piece; first the status, as a decimal number.

        The official client takes no body that is not JSON: the session it opened does.
        """
        try:
            client = await self._opened()
            sent: dict[str, str] = {}
            await client.update_params_for_auth(sent, [], ["BearerToken"], path, method, None)
            rest = client.rest_client
            if rest.pool_manager is None:
                rest.pool_manager = rest._create_pool_manager()
            async with rest.pool_manager.request(
                method,
                client.configuration.host + path,
                headers={**sent, **headers},
                data=content,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=SECONDS),
            ) as answer:
                yield str(answer.status).encode()
                async for piece in answer.content.iter_chunked(256 * 1024):
                    yield piece
        except _NETWORK as error:
            raise self._away(error) from error

    async def proxied(
        self, namespace: str, pod: str, port: int, method: str, path: str, *, body: Any, headers: Mapping[str, str], seconds: float
    ) -> tuple[int, bytes]:
        """A request to a port of a pod, through the API server: (status, body), whoever of the two answered."""
        place = self.proxy_path(namespace, pod, port, path)
        response = await self._send(method, place, {}, body=body, headers=headers, timeout=aiohttp.ClientTimeout(total=seconds))
        try:
            return response.status, await response.read()
        except _NETWORK as error:
            raise self._away(error) from error

    # --- how

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        content_type: str = "application/json",
        missing: bool = False,
        missing_status: int = 404,
    ) -> Object | None:
        timeout = aiohttp.ClientTimeout(total=SECONDS if method == "GET" else WRITE_SECONDS)
        response = await self._send(method, path, query or {}, body=body, content_type=content_type, timeout=timeout)
        try:
            content = await response.read()
        except _NETWORK as error:
            raise self._away(error) from error
        if 200 <= response.status < 300:
            found: Object = json.loads(content)
            return found
        if response.status == missing_status and (missing or missing_status != 404):
            return None
        self._refuse(response.status, content, f"{method} {path}")
        return None

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        timeout: aiohttp.ClientTimeout,
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        try:
            client = await self._opened()
            serialized = await client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": content_type, **(headers or {})},
                auth_settings=["BearerToken"],
            )
            verb, url, sent, _, _ = serialized
            return await client.call_api(verb, url, sent, body, None, _request_timeout=timeout)
        except _NETWORK as error:
            raise self._away(error) from error

    async def _opened(self) -> Any:
        async with self._opening:
            if self._client is None:
                configuration = aio.client.Configuration()
                try:
                    if self._kubeconfig is None:
                        aio.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # shipped without types
                    else:
                        config = dict(self._kubeconfig)
                        await aio.config.load_kube_config_from_dict(config, client_configuration=configuration)  # type: ignore[no-untyped-call]  # shipped without types
                except aio.config.ConfigException as error:
                    raise RuntimeRefused(
                        f"Cluster {self._name} cannot be asked: its kubeconfig is unusable ({scrub(str(error))}). Give it another.",
                        answered=409,
                        code="kubeconfig_unusable",
                    ) from error
                self._client = aio.client.ApiClient(configuration)
            return self._client

    def _away(self, error: BaseException) -> DeployerUnavailable:
        what = scrub(str(error)) or type(error).__name__
        return DeployerUnavailable(f"The API server of cluster {self._name} does not answer ({what}); it is asked again.")

    def _refuse(self, status: int, content: bytes, asked: str) -> None:
        """Raises what a refusal means."""
        message, reason = _status(content)
        if status in _TEMPORARY or "is being terminated" in message:
            raise DeployerUnavailable(f"The API server of cluster {self._name} answered {status}: {message}")
        code, advice = _MEANINGS.get(status, ("cluster_refused", "Look at what was asked, then retry."))
        if status == 409 and (managers := _CONFLICT_WITH.findall(message)):
            raise RuntimeRefused(
                f"{', '.join(sorted(set(managers)))} set something else in cluster {self._name}: {message}. Take that back there, or let "
                f"the platform take it over: `kubectl annotate namespace NAMESPACE {TAKE_OVER}=yes`, then retry.",
                answered=status,
                code="field_conflict",
            )
        if status == 403 and "exceeded quota" in message:
            code, advice = "quota_exceeded", "Raise the quota, or choose a larger plan, then retry."
        raise RuntimeRefused(f"Cluster {self._name} refuses {asked}: {message or reason} {advice}", answered=status, code=code)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


TAKE_OVER: Final = "dentalpin.io/take-over"
"""An annotation of a clinic's namespace: what others set there, the next apply sets as it should be."""
_MEANINGS: Final = {
    401: ("cluster_unauthorised", "Its kubeconfig is no longer accepted: give the cluster another."),
    403: ("cluster_forbidden", "Give the platform's account that right (charts/control-plane, `rbac`), then retry."),
    404: ("cluster_lacks_kind", "The cluster does not know that kind: install what defines it, then retry."),
    409: ("cluster_conflict", "Somebody changed it meanwhile; retry."),
    422: ("manifest_invalid", "The cluster's version does not take this manifest; this is a mistake of the platform."),
}


def _status(content: bytes) -> tuple[str, str]:
    try:
        found = json.loads(content)
        return scrub(str(found.get("message") or ""))[:1000], str(found.get("reason") or "")
    except (ValueError, AttributeError):
        return scrub(content.decode("utf-8", "replace").strip())[:300], ""
