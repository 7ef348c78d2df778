"""CloudNativePG, as far as the platform depends on it: clusters that become ready, a managed role, databases with a finalizer.

What it is asked to make it carries out on a real server, where one is given: `sql` runs one statement there as its superuser, and
raises with the server's message.
"""

import base64
from collections.abc import Callable
from typing import Final

from control_plane.simulators.kubernetes.cluster import Cluster, Object
from control_plane.simulators.kubernetes.kinds import BY_KIND

GROUP: Final = "postgresql.cnpg.io/v1"
FINALIZER: Final = "cnpg.io/deleteDatabase"
MANAGER: Final = "cloudnative-pg"
_DATABASE: Final = BY_KIND[(GROUP, "Database")]
_RESERVED: Final = frozenset({"postgres", "template0", "template1"})

Sql = Callable[[str], None]


class PostgresOperator:
    """`phase` keeps clusters from being ready, for this reason; `idle` is an operator that is not there."""

    def __init__(self, cluster: Cluster, sql: Sql | None = None) -> None:
        self._cluster, self._sql = cluster, sql
        self.phase: tuple[str, str] | None = None
        self.idle = False

    def step(self) -> None:
        if self.idle:
            return
        for found in self._cluster.all_of("Cluster"):
            self._server(found)
        for found in self._cluster.all_of("Database"):
            self._database(found)

    def _server(self, found: Object) -> None:
        instances = found["spec"]["instances"]
        if self.phase is not None:
            phase, why = self.phase
            waiting = {"type": "Ready", "status": "False", "reason": "ClusterIsNotReady", "message": why}
            self._cluster.set_status(found, {"phase": phase, "phaseReason": why, "readyInstances": 0, "conditions": [waiting]})
            return
        reconciled, problems = [], {}
        for role in (found["spec"].get("managed") or {}).get("roles") or ():
            problem = self._role(found, role)
            if problem is None:
                reconciled.append(role["name"])
            else:
                problems[role["name"]] = [problem]
        roles = {"byStatus": {"reconciled": reconciled}, **({"cannotReconcile": problems} if problems else {})}
        ready = {"type": "Ready", "status": "True", "reason": "ClusterIsReady", "message": "Cluster is Ready"}
        status = {"phase": "Cluster in healthy state", "instances": instances, "readyInstances": instances, "conditions": [ready]}
        self._cluster.set_status(found, {**status, "managedRolesStatus": roles})

    def _role(self, found: Object, role: Object) -> str | None:
        """Make a role as it is declared; why that is not possible."""
        namespace, wanted = found["metadata"]["namespace"], role["passwordSecret"]["name"]
        secret = next((one for one in self._cluster.all_of("Secret", namespace) if one["metadata"]["name"] == wanted), None)
        if secret is None:
            return f'while getting password for role {role["name"]}: secrets "{wanted}" not found'
        held = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        if held.get("username") != role["name"]:
            return f"wrong username '{held.get('username')}' in secret, expected '{role['name']}'"
        options = " ".join(word if role.get(word.lower()) else f"NO{word}" for word in ("LOGIN", "CREATEDB", "CREATEROLE"))
        make = f'CREATE ROLE "{role["name"]}"; EXCEPTION WHEN duplicate_object THEN NULL'
        return self._try(f"DO $$ BEGIN {make}; END $$") or self._try(
            f"ALTER ROLE \"{role['name']}\" WITH {options} PASSWORD '{held['password']}'"
        )

    def _database(self, found: Object) -> None:
        metadata, spec = found["metadata"], found["spec"]
        place = (metadata["namespace"], metadata["name"])
        if "deletionTimestamp" in metadata:
            problem = self._try(f'DROP DATABASE IF EXISTS "{spec["name"]}"') if spec.get("databaseReclaimPolicy") == "delete" else None
            if problem is None:
                left = [one for one in metadata.get("finalizers") or () if one != FINALIZER]
                self._cluster.merge(_DATABASE, *place, {"metadata": {"finalizers": left}}, MANAGER)
            else:
                self._report(found, applied=False, message=problem)
            return
        if (found.get("status") or {}).get("observedGeneration") == metadata["generation"] and found["status"]["applied"]:
            return
        if not any(one["metadata"]["name"] == spec["cluster"]["name"] for one in self._cluster.all_of("Cluster", place[0])):
            self._report(found, applied=False, message=f'cluster "{spec["cluster"]["name"]}" not found')
            return
        if spec["name"] in _RESERVED:
            self._report(found, applied=False, message=f"the name {spec['name']} is reserved")
            return
        if FINALIZER not in (metadata.get("finalizers") or ()):
            found = self._cluster.merge(_DATABASE, *place, {"metadata": {"finalizers": [FINALIZER]}}, MANAGER)
        options = f'OWNER "{spec["owner"]}" TEMPLATE "{spec.get("template", "template1")}" ENCODING \'{spec.get("encoding", "UTF8")}\''
        problem = self._try(f'CREATE DATABASE "{spec["name"]}" {options}')
        if problem is not None and "already exists" in problem:
            problem = self._try(f'ALTER DATABASE "{spec["name"]}" OWNER TO "{spec["owner"]}"')
        self._report(found, applied=problem is None, message=problem)

    def _report(self, found: Object, *, applied: bool, message: str | None) -> None:
        status = {"observedGeneration": found["metadata"]["generation"], "applied": applied}
        self._cluster.set_status(found, {**status, **({"message": message} if message else {})})

    def _try(self, statement: str) -> str | None:
        if self._sql is None:
            return None
        try:
            self._sql(statement)
        except Exception as error:
            return str(error)
        return None
