"""The deployer for Kubernetes. Renders, applies, prunes; sees by a mirror; asks one pod, of the generation it is about.

What was applied stands in the Deployment's annotations, which are applied last: a tenant of which nothing changed costs reading only.
"""

import asyncio
import json as jsonlib
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from control_plane.config import Settings
from control_plane.deployers.base import (
    IMAGE,
    Attestation,
    DatabaseAddress,
    DeployerUnavailable,
    Glimpse,
    Need,
    Observation,
    ObservationStatus,
    Placement,
    Rehearsal,
    RoleVerifiers,
    RuntimeRefused,
)
from control_plane.deployers.kubernetes import control, secrets
from control_plane.deployers.kubernetes.api import TAKE_OVER, Object
from control_plane.deployers.kubernetes.carrying import Courier, carried, save
from control_plane.deployers.kubernetes.facts import ClinicFacts, Credentials, namespace_of, tenant_of
from control_plane.deployers.kubernetes.handles import Clusters, Handle
from control_plane.deployers.kubernetes.rehearsing import rehearse
from control_plane.deployers.kubernetes.rendering import (
    DIGEST,
    FACTS,
    POD_DIGEST,
    Manifest,
    Manifests,
    fitted,
    render,
    render_namespace,
    render_removal,
)
from control_plane.deployers.kubernetes.rollout import (
    Stage,
    Verdict,
    applied_generation,
    generation_of,
    is_ready,
    judge_removal,
    judge_rollout,
)
from control_plane.deployers.scram import scram_verifier
from dentalpin_kit.tokens import SigningKey, sign

CLINIC: Final = "clinic"
TOKEN_LIFETIME: Final = timedelta(seconds=60)
ATTESTATION: Final = "/api/v1/modules/-/attestation"
STOPPING_SECONDS: Final = 120.0
REMOVING_SECONDS: Final = 45.0
_LOOK_SECONDS: Final = 0.5
_TO_REMOVE: Final = "to_remove"
_PRUNED: Final = (
    "CronJob",
    "Ingress",
    "PodDisruptionBudget",
    "Service",
    "Secret",
    "ConfigMap",
    "NetworkPolicy",
    "LimitRange",
    "ResourceQuota",
    "ServiceAccount",
)
"""What goes once it is no longer rendered. A clinic's volume never does, but with its namespace."""
_KEPT: Final = ("PersistentVolumeClaim", "Deployment")
_STATUS: Final = {
    Stage.STOPPED: ObservationStatus.ABSENT,
    Stage.UNDER_WAY: ObservationStatus.STARTING,
    Stage.FAILING: ObservationStatus.FAILED,
    Stage.DONE: ObservationStatus.ATTESTED,
}


class KubernetesDeployer:
    def __init__(self, settings: Settings, key: SigningKey, clusters: Clusters) -> None:
        self._usual_image = settings.runtime_image
        self._smtp_url = settings.smtp_url.get_secret_value() if settings.smtp_url else None
        self._registry = settings.runtime_registry.get_secret_value() if settings.runtime_registry else None
        self._key, self._clusters = key, clusters
        self._courier = Courier(key, pull=self._registry is not None)

    async def close(self) -> None:
        await self._clusters.close()

    async def ensure_secrets(self, tenant_id: UUID, serial: int = 0) -> RoleVerifiers:
        handle = await self._clusters.of(tenant_id)
        found = await self._credentials(handle, tenant_id, serial)
        return RoleVerifiers(owner=scram_verifier(found.owner_password), app=scram_verifier(found.app_password))

    async def forget_secrets(self, tenant_id: UUID, *, keep: int) -> None:
        handle = await self._clusters.of(tenant_id)
        await secrets.forget(handle.api, namespace_of(tenant_id), keep=keep)

    async def apply(self, tenant: Placement, revision: dict[str, Any], database: DatabaseAddress) -> None:
        handle = await self._clusters.of(tenant.tenant_id)
        namespace = namespace_of(tenant.tenant_id)
        running = await handle.api.get("Deployment", namespace, CLINIC)
        applied = applied_generation(running) if running else None
        if applied is not None and applied > revision["generation"]:
            raise RuntimeRefused(
                f"Generation {applied} was applied to {tenant.slug} already, {revision['generation']} is older. "
                "Make a new revision to go back to an earlier module set.",
                answered=409,
                code="older_generation",
            )
        clinic = ClinicFacts.of(tenant, revision, database, image=self._image(tenant), serial=database.serial)
        manifests = await self._render(handle, clinic)
        if running is not None and running["metadata"]["annotations"].get(DIGEST) == manifests.digest:
            await self._forget_failed_removals(handle, namespace)
            if not await self._missing(handle, manifests):
                if running["spec"].get("replicas") != manifests.deployment["spec"]["replicas"]:
                    await self._apply_resting(handle, manifests)
                return
        await self._apply_all(handle, manifests)

    async def make_room(self, tenant: Placement, revision: dict[str, Any], database: DatabaseAddress) -> None:
        handle = await self._clusters.of(tenant.tenant_id)
        if await handle.api.get("Deployment", namespace_of(tenant.tenant_id), CLINIC) is None:
            clinic = ClinicFacts.of(tenant, revision, database, image=self._image(tenant), serial=database.serial)
            await self._apply_all(handle, await self._render(handle, replace(clinic, suspended=True)))

    async def would_restart(self, tenant_id: UUID, database: DatabaseAddress) -> bool:
        handle = await self._clusters.of(tenant_id)
        running = await handle.api.get("Deployment", namespace_of(tenant_id), CLINIC)
        if running is None:
            return False
        clinic = replace(await self._facts(handle, running), database=database, credentials_serial=database.serial)
        planned: str = render(clinic, handle.facts, {}, self._registry).pod_digest
        return bool(planned != running["metadata"]["annotations"].get(POD_DIGEST))

    async def rehearse(self, tenant: Placement, database: DatabaseAddress) -> Rehearsal:
        handle, clinic = await self._applied(tenant.tenant_id)
        held = await self._credentials(handle, tenant.tenant_id, database.serial)
        clinic = replace(clinic, image=self._image(tenant), database=database)
        secret = held.entries(database, database.owner_role, database.app_role)
        return await rehearse(handle, clinic, secret, pull=self._registry is not None)

    async def observe(self, tenant_id: UUID) -> Observation:
        handle = await self._clusters.of(tenant_id)
        deployment, pods = await self._seen(handle, tenant_id)
        if deployment is None:
            return Observation(ObservationStatus.ABSENT)
        generation = applied_generation(deployment)
        verdict = judge_rollout(deployment, pods)
        if verdict.stage is Stage.STOPPED:
            return Observation(ObservationStatus.ABSENT, reason="the tenant is stopped")
        if verdict.stage is not Stage.DONE:
            # What goes on serving meanwhile is of an earlier generation, and proves nothing about this one.
            serving = await self._attested_by_older(handle, tenant_id, pods, generation) if verdict.stage is Stage.FAILING else None
            return Observation(_STATUS[verdict.stage], serving, generation, verdict.reason)
        pod = next((pod for pod in pods if is_ready(pod) and generation_of(pod) == generation), None)
        if pod is None:
            return Observation(ObservationStatus.STARTING, None, generation, "Its pods are changing over.")
        attestation = await self._attestation(handle, tenant_id, pod)
        removal = await self._second_phase(handle, deployment, attestation)
        if removal is not None and removal.stage is Stage.FAILING:
            return Observation(ObservationStatus.FAILED, attestation, generation, removal.reason)
        if removal is not None and removal.stage is Stage.UNDER_WAY:
            return Observation(ObservationStatus.STARTING, None, generation, removal.reason)
        return Observation(ObservationStatus.ATTESTED, attestation, generation)

    async def survey(self) -> Mapping[UUID, Glimpse]:
        found: dict[UUID, Glimpse] = {}
        for handle in await self._answering():
            for deployment in handle.mirror.all_of("Deployment"):
                namespace = deployment["metadata"]["namespace"]
                tenant_id = tenant_of(namespace)
                if tenant_id is not None and deployment["metadata"]["name"] == CLINIC:
                    verdict = judge_rollout(deployment, _serving(handle.mirror.inside("Pod", namespace)))
                    stopped = verdict.stage is Stage.STOPPED
                    found[tenant_id] = Glimpse(_STATUS[verdict.stage], None if stopped else applied_generation(deployment))
        return found

    async def request(
        self, tenant_id: UUID, method: str, path: str, json: dict[str, Any] | None = None, token: str | None = None
    ) -> dict[str, Any]:
        handle = await self._clusters.of(tenant_id)
        deployment, pods = await self._seen(handle, tenant_id)
        ready = sorted((pod for pod in pods if is_ready(pod)), key=lambda pod: -(generation_of(pod) or 0))
        if not ready:
            why = judge_rollout(deployment, pods).reason if deployment else "nothing was applied"
            raise DeployerUnavailable(f"No pod of tenant {tenant_id} serves: {why or 'it is stopped'}", tenant_id=str(tenant_id))
        return await control.ask(handle, ready[0], method, path, json, token)

    async def control_channels(self) -> dict[UUID, str]:
        found = {}
        for handle in await self._answering():
            for pod in _serving(handle.mirror.all_of("Pod")):
                tenant_id, address = tenant_of(pod["metadata"]["namespace"]), (pod.get("status") or {}).get("podIP")
                if tenant_id is not None and address and is_ready(pod):
                    found[tenant_id] = f"{address}:{control.PORT}"
        return found

    async def files(self, tenant_id: UUID) -> AsyncGenerator[bytes, None]:
        handle, clinic = await self._applied(tenant_id)
        async with aclosing(carried(handle, clinic, self._courier, "GET", "/files")) as content:
            async for piece in content:
                yield piece

    async def replace_files(self, tenant_id: UUID, content: AsyncIterable[bytes]) -> None:
        handle, clinic = await self._applied(tenant_id)
        async with aclosing(carried(handle, clinic, self._courier, "PUT", "/files", content)) as pieces:
            answer = b"".join([piece async for piece in pieces])
        data_key = jsonlib.loads(answer)["data"]["data_key"]
        if data_key is not None:
            await secrets.put_data_key(handle.api, clinic.namespace, data_key)

    async def export(self, tenant: Placement, file: Path) -> None:
        handle, clinic = await self._applied(tenant.tenant_id)
        await save(carried(handle, clinic, self._courier, "GET", "/export"), file)

    async def stop(self, tenant_id: UUID) -> None:
        handle = await self._clusters.of(tenant_id)
        namespace = namespace_of(tenant_id)
        running = await handle.api.get("Deployment", namespace, CLINIC)
        if running is None:
            return
        if running["spec"].get("replicas") != 0:
            clinic = replace(await self._facts(handle, running), suspended=True)
            await self._apply_resting(handle, await self._render(handle, clinic))
        for job in (await handle.api.list("Job", namespace, ""))[0]:
            await handle.api.delete("Job", namespace, job["metadata"]["name"])
        await handle.mirror.ready()
        loop = asyncio.get_running_loop()
        end = loop.time() + STOPPING_SECONDS
        while left := handle.mirror.inside("Pod", namespace):
            if loop.time() >= end:
                names = ", ".join(sorted(pod["metadata"]["name"] for pod in left))
                raise DeployerUnavailable(f"These pods do not end: {names}. They are waited for further.")
            await handle.mirror.moved(min(1.0, STOPPING_SECONDS))

    async def remove(self, tenant_id: UUID) -> None:
        handle = await self._clusters.of(tenant_id)
        namespace = namespace_of(tenant_id)
        loop = asyncio.get_running_loop()
        end = loop.time() + REMOVING_SECONDS
        if not await handle.api.delete("Namespace", None, namespace):
            return
        while (left := await handle.api.get("Namespace", None, namespace)) is not None:
            if loop.time() >= end:
                raise DeployerUnavailable(f"Namespace {namespace} is still going{_keeps(left)}; it is looked at again.")
            await asyncio.sleep(_LOOK_SECONDS)

    async def address(self, tenant_id: UUID) -> str:
        handle = await self._clusters.of(tenant_id)
        running = await handle.api.get("Deployment", namespace_of(tenant_id), CLINIC)
        if running is None:
            raise DeployerUnavailable(f"Tenant {tenant_id} has no address yet: nothing was applied.", tenant_id=str(tenant_id))
        facts = jsonlib.loads(running["metadata"]["annotations"][FACTS])
        return f"https://{facts['slug']}.{handle.facts.domain}"

    async def _applied(self, tenant_id: UUID) -> tuple[Handle, ClinicFacts]:
        """Raises RuntimeRefused where nothing was set up: there is no volume then."""
        handle = await self._clusters.of(tenant_id)
        running = await handle.api.get("Deployment", namespace_of(tenant_id), CLINIC)
        if running is None:
            raise RuntimeRefused(f"Nothing of tenant {tenant_id} was ever set up here.", answered=409, code="nothing_applied")
        return handle, await self._facts(handle, running)

    # --- applying

    def _image(self, tenant: Placement) -> str:
        if tenant.environment and tenant.environment.startswith(IMAGE):
            return tenant.environment.removeprefix(IMAGE)
        if self._usual_image is None:
            raise RuntimeRefused(
                f"The release of {tenant.slug} was registered from a folder, and clinics here run images. "
                "Register it from its image, or set DENTALPIN_RUNTIME_IMAGE.",
                answered=409,
                code="image_missing",
            )
        return self._usual_image

    async def _render(self, handle: Handle, clinic: ClinicFacts) -> Manifests:
        held = await self._credentials(handle, clinic.tenant_id, clinic.credentials_serial)
        if handle.facts.mail_port is not None and self._smtp_url is None:
            raise RuntimeRefused(
                f"Clinics of cluster {handle.name} are to send mail, and the platform has no DENTALPIN_SMTP_URL to give them. Set it.",
                answered=409,
                code="smtp_missing",
            )
        held = replace(held, smtp_url=self._smtp_url if handle.facts.mail_port is not None else None)
        database = clinic.database
        return render(clinic, handle.facts, held.entries(database, database.owner_role, database.app_role), self._registry)

    async def _credentials(self, handle: Handle, tenant_id: UUID, serial: int) -> Credentials:
        namespace = namespace_of(tenant_id)
        present = await handle.api.get("Namespace", None, namespace)
        if present is None:
            await handle.api.apply(render_namespace(tenant_id))
        elif "deletionTimestamp" in present["metadata"]:
            raise DeployerUnavailable(f"Namespace {namespace} is still going{_keeps(present)}; what comes next waits for it.")
        return await secrets.ensure(handle.api, namespace, serial)

    async def _apply_all(self, handle: Handle, manifests: Manifests) -> None:
        namespace = manifests.deployment["metadata"]["namespace"]
        place = await handle.api.get("Namespace", None, namespace)
        take_over = place is not None and (place["metadata"].get("annotations") or {}).get(TAKE_OVER) == "yes"
        claims = {one["metadata"]["name"]: one for one in (await handle.api.list("PersistentVolumeClaim", namespace))[0]}
        for manifest in manifests.objects:
            if manifest["kind"] == "PersistentVolumeClaim":
                manifest = fitted(manifest, claims.get(manifest["metadata"]["name"]))
            applied = await handle.api.apply(manifest, force=take_over)
        handle.mirror.put("Deployment", applied)
        await self._prune(handle, manifests)
        if take_over:
            await handle.api.merge("Namespace", None, namespace, {"metadata": {"annotations": {TAKE_OVER: None}}})

    async def _apply_resting(self, handle: Handle, manifests: Manifests) -> None:
        for manifest in manifests.resting:
            applied = await handle.api.apply(manifest)
        handle.mirror.put("Deployment", applied)

    async def _missing(self, handle: Handle, manifests: Manifests) -> set[tuple[str, str]]:
        """What is rendered and not there."""
        namespace = manifests.deployment["metadata"]["namespace"]
        present = {_named(kind, one) for kind, found in (await self._inventory(handle, namespace)).items() for one in found}
        return {_named(one["kind"], one) for one in manifests.objects if one["kind"] != "Namespace"} - present

    async def _inventory(self, handle: Handle, namespace: str) -> dict[str, list[Object]]:
        kinds = (*_PRUNED, *_KEPT)
        lists = await asyncio.gather(*(handle.api.list(kind, namespace) for kind in kinds))
        return {kind: found for kind, (found, _) in zip(kinds, lists, strict=True)}

    async def _prune(self, handle: Handle, manifests: Manifests) -> None:
        """Take away what was rendered once and is not any more. A revision stays while a pod may start with it."""
        namespace = manifests.deployment["metadata"]["namespace"]
        wanted = {_named(one["kind"], one) for one in manifests.objects} | {("Secret", secrets.NAME)}
        pods, _ = await handle.api.list("Pod", namespace)
        volumes = [volume for pod in pods for volume in pod["spec"].get("volumes") or ()]
        mounted = {("ConfigMap", volume["configMap"]["name"]) for volume in volumes if "configMap" in volume}
        for kind, found in (await self._inventory(handle, namespace)).items():
            for one in found:
                if kind in _PRUNED and _named(kind, one) not in wanted | mounted:
                    await handle.api.delete(kind, namespace, one["metadata"]["name"])

    async def _facts(self, handle: Handle, deployment: Object) -> ClinicFacts:
        """What was applied last, read back from the cluster."""
        namespace = deployment["metadata"]["namespace"]
        tenant_id, generation = tenant_of(namespace), applied_generation(deployment)
        told = jsonlib.loads(deployment["metadata"]["annotations"][FACTS])
        revision = await handle.api.get("ConfigMap", namespace, f"revision-{generation}")
        if revision is None or tenant_id is None:
            raise DeployerUnavailable(f"Revision {generation} is missing in {namespace}; it is written again by the next change.")
        return ClinicFacts(
            tenant_id=tenant_id,
            slug=told["slug"],
            name=told["name"],
            image=told["image"],
            database=replace(DatabaseAddress(*told["database"]), serial=told["credentials_serial"]),
            revision=jsonlib.loads(revision["data"]["revision.json"]),
            domains=tuple(told["domains"]),
            needs=tuple(Need(*need) for need in told["needs"]),
            credentials_serial=told["credentials_serial"],
        )

    # --- seeing

    async def _answering(self) -> list[Handle]:
        """Clusters with what was seen last of each: one that is away hides the others' clinics no more than its own.

        Raises DeployerUnavailable where none answers.
        """
        handles = list(await self._clusters.all())
        answers = await asyncio.gather(*(handle.mirror.ready() for handle in handles), return_exceptions=True)
        away = [answer for answer in answers if isinstance(answer, BaseException)]
        for answer in away:
            if not isinstance(answer, DeployerUnavailable) or len(away) == len(handles):
                raise answer
        return handles

    async def _seen(self, handle: Handle, tenant_id: UUID) -> tuple[Object | None, list[Object]]:
        await handle.mirror.ready()
        namespace = namespace_of(tenant_id)
        deployment = next((one for one in handle.mirror.inside("Deployment", namespace) if one["metadata"]["name"] == CLINIC), None)
        return deployment, _serving(handle.mirror.inside("Pod", namespace))

    async def _attestation(self, handle: Handle, tenant_id: UUID, pod: Object) -> Attestation:
        token = sign(self._key, audience=str(tenant_id), purpose="attest", lifetime=TOKEN_LIFETIME)
        answer = await control.ask(handle, pod, "GET", ATTESTATION, None, token)
        try:
            return Attestation.model_validate(answer.get("data"))
        except ValidationError as error:
            name = pod["metadata"]["name"]
            raise DeployerUnavailable(f"The runtime in pod {name} attested something unreadable: {error}") from error

    async def _attested_by_older(self, handle: Handle, tenant_id: UUID, pods: list[Object], generation: int | None) -> Attestation | None:
        pod = next((pod for pod in pods if is_ready(pod) and generation_of(pod) != generation), None)
        if pod is None:
            return None
        try:
            found = await self._attestation(handle, tenant_id, pod)
        except (DeployerUnavailable, RuntimeRefused):
            return None
        return found if found.generation != generation else None

    async def _second_phase(self, handle: Handle, deployment: Object, attestation: Attestation) -> Verdict | None:
        """The removal of what no pod serves any more; None where nothing is to be removed."""
        if not any(module.state == _TO_REMOVE for module in attestation.modules):
            return None
        namespace = deployment["metadata"]["namespace"]
        name = f"removal-{applied_generation(deployment)}"
        job = next((one for one in handle.mirror.inside("Job", namespace) if one["metadata"]["name"] == name), None)
        if job is None:
            facts = await self._facts(handle, deployment)
            handle.mirror.put("Job", await handle.api.apply(render_removal(facts, handle.facts, pull=self._registry is not None)))
            return Verdict(Stage.UNDER_WAY, None, "The data of what was taken out is being removed.")
        pods = [pod for pod in handle.mirror.inside("Pod", namespace) if _owned_by(pod, job)]
        return judge_removal(job, pods)

    async def _forget_failed_removals(self, handle: Handle, namespace: str) -> None:
        """What is carried out again begins anew."""
        jobs, _ = await handle.api.list("Job", namespace)
        for job in jobs:
            if judge_removal(job, ()).stage is Stage.FAILING:
                await handle.api.delete("Job", namespace, job["metadata"]["name"])


def _serving(pods: Any) -> list[Object]:
    return [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component") == "serve"]


def _owned_by(pod: Object, owner: Object) -> bool:
    return any(each["uid"] == owner["metadata"].get("uid") for each in pod["metadata"].get("ownerReferences") or ())


def _named(kind: str, manifest: Manifest) -> tuple[str, str]:
    return kind, manifest["metadata"]["name"]


def _keeps(namespace: Object) -> str:
    """What keeps a namespace from going, as its conditions say it."""
    said = [
        one["message"]
        for one in (namespace.get("status") or {}).get("conditions") or ()
        if one.get("status") == "True" and one.get("message")
    ]
    return f" ({'; '.join(said)})" if said else ""
