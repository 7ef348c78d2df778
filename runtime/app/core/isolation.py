"""Row-level security and grants: what the request role may see and change, applied as owner after every migration.

A query of a module filters by clinic itself; the policies here hold when it forgets. They compare with `app.clinic_id`, which
`app.database` sets for each transaction, so that without a clinic no row is visible. The owner role is not bound by them (ENABLE, not
FORCE): migrations, seeds and dumps see everything.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncSession

from dentalpin_kit.problems import DomainError

CLINIC: Final = "nullif(current_setting('app.clinic_id', true), '')::uuid"
_OWN: Final = f"clinic_id = {CLINIC}"
# The outbox belongs to the clinic that published; the dispatcher, which sets no clinic, sees all of it.
_OWN_OR_CORE: Final = f"{CLINIC} IS NULL OR clinic_id IS NULL OR clinic_id = {CLINIC}"
_READ_WRITE: Final = "SELECT, INSERT, UPDATE, DELETE"


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: FOR `command`, rows seen by `using`, rows written by `check`."""

    name: str
    command: str
    using: str | None = None
    check: str | None = None

    def sql(self, table: str) -> str:
        using = f" USING ({self.using})" if self.using else ""
        check = f" WITH CHECK ({self.check})" if self.check else ""
        return f"CREATE POLICY {self.name} ON {table} FOR {self.command}{using}{check}"

    @property
    def mark(self) -> str:
        """Kept as the policy's comment: PostgreSQL stores conditions in a form of its own that cannot be compared with ours."""
        return hashlib.sha256(self.sql("").encode()).hexdigest()[:16]


ISOLATION: Final = Policy("clinic_isolation", "ALL", _OWN, _OWN)
SHARED: Final = Policy("clinic_shared", "SELECT", "clinic_id IS NULL")


@dataclass(frozen=True, slots=True)
class Rule:
    """What the request role may do with one table of the core; no policies means no row-level security."""

    grants: tuple[str, ...]
    policies: tuple[Policy, ...] = ()


_SEE_ALL: Final = Policy("see_all", "SELECT", "true")
# Signing in reads it before the clinic is known; from then on, that clinic's only.
_SEE_OWN_OR_BEFORE: Final = Policy("see_own_or_before", "SELECT", f"{CLINIC} IS NULL OR {_OWN}")
_CHANGE_OWN: Final = (
    Policy("add_own", "INSERT", check=_OWN),
    Policy("change_own", "UPDATE", _OWN, _OWN),
    Policy("remove_own", "DELETE", _OWN),
)
# Of sign-ins, which belong to no clinic, a clinic sees those of its people.
_OF_ITS_PEOPLE: Final = f"EXISTS (SELECT FROM memberships m WHERE m.user_id = access_log.user_id AND m.{_OWN})"
_READ_ONLY: Final = Rule(("SELECT",))
_SEE_AND_ADD: Final = (
    Policy("see_own", "SELECT", _OWN),
    Policy("add_own", "INSERT", check=_OWN),
    Policy("close_own", "UPDATE", _OWN, _OWN),
)


def _older(moment: str, days: int) -> str:
    """Own rows that are past their retention; younger ones cannot be deleted by any request."""
    return f"{_OWN} AND {moment} < now() - interval '{days} days'"


CORE_EXEMPT: Final[Mapping[str, Rule]] = {
    # Which clinics there are is no secret inside a tenant; changes stay inside the clinic of the request.
    "clinics": Rule(
        ("SELECT", "INSERT", "UPDATE"),
        (_SEE_ALL, Policy("add", "INSERT", check="true"), Policy("change_own", "UPDATE", f"id = {CLINIC}", f"id = {CLINIC}")),
    ),
    "memberships": Rule((_READ_WRITE,), (_SEE_OWN_OR_BEFORE, *_CHANGE_OWN)),
    # The clinic of a role and its name are what memberships point to.
    "roles": Rule(
        ("SELECT", "INSERT", "DELETE", "UPDATE (title, based_on, granted, denied, updated_at)"), (_SEE_OWN_OR_BEFORE, *_CHANGE_OWN)
    ),
    # Who owns the tenant is decided at boot, from the revision; no request can make an owner.
    "users": Rule(
        (
            "SELECT",
            "INSERT (id, email, full_name, password_hash, status, password_set_at, created_at, updated_at)",
            "UPDATE (email, full_name, password_hash, status, password_set_at, second_factor_since, updated_at)",
        )
    ),
    # Accounts are of the tenant, not of a clinic: these have no clinic_id, and every query names the person.
    "refresh_tokens": Rule(("SELECT", "INSERT", "UPDATE (used_at, revoked_at)", "DELETE")),
    "account_links": Rule(("SELECT", "INSERT", "UPDATE (used_at, sent_at, send_error)", "DELETE")),
    "second_factors": Rule(("SELECT", "INSERT", "UPDATE (sealed, last_step, confirmed_at)", "DELETE")),
    "recovery_codes": Rule(("SELECT", "INSERT", "UPDATE (used_at)", "DELETE")),
    "sign_in_attempts": Rule((_READ_WRITE,)),
    # Append-only; `core_prune_access_log` clears what is older than its retention.
    "access_log": Rule(
        ("SELECT", "INSERT"),
        (
            Policy("see_own", "SELECT", f"{CLINIC} IS NULL OR {_OWN} OR (clinic_id IS NULL AND {_OF_ITS_PEOPLE})"),
            Policy("append", "INSERT", check=f"clinic_id IS NULL OR {_OWN}"),
        ),
    ),
    "burned_tokens": Rule(("SELECT", "INSERT")),
    "agents": Rule(("SELECT", "INSERT", "UPDATE (enabled, mode, role, guardrails, changed_by, updated_at)"), (ISOLATION,)),
    # Nobody rewrites what an agent did: a row is added, closed once, and deleted when its retention is over.
    "agent_sessions": Rule(
        ("SELECT", "INSERT", "UPDATE (status, summary, ended_at)", "DELETE"),
        (*_SEE_AND_ADD, Policy("forget", "DELETE", _older("started_at", 730))),
    ),
    "agent_approval_queue": Rule(
        ("SELECT", "INSERT", "UPDATE (status, decided_by, note, result, code, decided_at)", "DELETE"),
        (*_SEE_AND_ADD, Policy("forget", "DELETE", _older("created_at", 90))),
    ),
    "agent_audit_logs": Rule(
        ("SELECT", "INSERT", "UPDATE (status, code, finished_at)", "DELETE"),
        (
            *_SEE_AND_ADD[:2],
            Policy("close_once", "UPDATE", f"{_OWN} AND status = 'started'", _OWN),
            Policy("forget", "DELETE", _older("created_at", 730)),
        ),
    ),
    # A token is looked up before the clinic is known, by a digest nobody can guess; ending a person's sessions ends it in every clinic.
    "personal_access_tokens": Rule(
        ("SELECT", "INSERT", "UPDATE (last_used_at, revoked_at)"),
        (
            _SEE_OWN_OR_BEFORE,
            Policy("add_own", "INSERT", check=_OWN),
            Policy("close_own_or_all", "UPDATE", f"{CLINIC} IS NULL OR {_OWN}", f"{CLINIC} IS NULL OR {_OWN}"),
        ),
    ),
    "core_setting": Rule(
        ("SELECT", "INSERT", "UPDATE (value, updated_at)"),
        (
            _SEE_ALL,
            Policy("store_invitation", "INSERT", check="key = 'invitation'"),
            Policy("change_invitation", "UPDATE", "key = 'invitation'", "key = 'invitation'"),
        ),
    ),
    # Of the tenant, not of a clinic: every clinic may know who looks at it. What was looked at is only added to.
    "support_accesses": Rule(
        ("SELECT", "INSERT", "UPDATE (state, decided_at, decided_by, note, ends_at, opened_at, token_hash, ended_at, ended_by)")
    ),
    "support_reads": Rule(("SELECT", "INSERT")),
    "core_revision": _READ_ONLY,
    "core_table_owner": _READ_ONLY,
    "core_module_operation_log": _READ_ONLY,
    "alembic_version": _READ_ONLY,
    # Scheduling by a stand-alone clinic's admin; version, heads and snapshot are the processor's.
    "core_module": Rule(
        (
            "SELECT",
            "UPDATE (state, attempts, error_message, error_at, last_state_change, chosen, disabled_at, next_attempt_at)",
        )
    ),
    "core_module_request": Rule(("SELECT", "INSERT")),
    # Seeds are loaded by the request that creates a clinic.
    "core_external_id": Rule(("SELECT", "INSERT", "UPDATE"), (ISOLATION, SHARED)),
    "core_event": Rule(("SELECT", "INSERT", "DELETE"), (Policy("own_or_core", "ALL", _OWN_OR_CORE, _OWN_OR_CORE),)),
    "core_event_delivery": Rule((_READ_WRITE,), (Policy("own_or_core", "ALL", _OWN_OR_CORE, _OWN_OR_CORE),)),
    # Likewise the books of the jobs, which the runner keeps.
    "core_job": Rule((_READ_WRITE,), (Policy("own_or_core", "ALL", _OWN_OR_CORE, _OWN_OR_CORE),)),
    "core_job_run": Rule((_READ_WRITE,), (Policy("own_or_core", "ALL", _OWN_OR_CORE, _OWN_OR_CORE),)),
}
"""The tables of the core: rules of their own instead of the clinic policy."""


class ClinicColumnNotUuid(DomainError):
    status = 422
    code = "clinic_column_not_uuid"

    def __init__(self, table: str, kind: str) -> None:
        super().__init__(
            f"{table}.clinic_id is {kind}, so that clinics cannot be kept apart in it; make it UUID in the module's migration.", table=table
        )


class RoleNotIsolated(DomainError):
    status = 503
    code = "role_not_isolated"


class RequestRoleUnknown(DomainError):
    status = 503
    code = "request_role_unknown"


@dataclass(frozen=True, slots=True)
class _Relation:
    quoted: str
    name: str
    kind: str
    clinic_type: str | None
    clinic_nullable: bool
    secured: bool
    policies: list[str]
    marks: list[str]


_RELATIONS: Final = text(
    """
    SELECT quote_ident(c.relname), c.relname, c.relkind::text, format_type(a.atttypid, a.atttypmod), NOT coalesce(a.attnotnull, false),
           c.relrowsecurity,
           ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = c.oid ORDER BY polname),
           ARRAY(SELECT coalesce(obj_description(oid, 'pg_policy'), '') FROM pg_policy WHERE polrelid = c.oid ORDER BY polname)
    FROM pg_class c
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relname = ANY(:tables)
    ORDER BY c.relname
    """
)
_REQUEST_ROLES: Final = text(
    """
    SELECT DISTINCT quote_ident(r.rolname) FROM pg_database d
    CROSS JOIN LATERAL aclexplode(d.datacl) acl JOIN pg_roles r ON r.oid = acl.grantee
    WHERE d.datname = current_database() AND acl.privilege_type = 'CONNECT' AND NOT r.rolsuper
      AND r.rolname <> current_user AND NOT pg_has_role(r.oid, d.datdba, 'MEMBER')
    """
)


def apply_policies(connection: Connection, tables: Iterable[str], *, request_role: str | None = None) -> None:
    """Give `tables` (and views) the policies and grants they must have; the same again changes nothing.

    `connection` is the owner's. The request role is whoever besides the owner was granted CONNECT on this database, or `request_role`.
    Tables with a `clinic_id` are isolated by it; rows whose `clinic_id` is NULL are shared and read-only. Tables of the core follow
    CORE_EXEMPT. Views run with the rights of whoever asks; a materialised view with a `clinic_id` cannot be isolated and is closed to
    requests. Raises ClinicColumnNotUuid, RequestRoleUnknown.
    """
    roles = _request_roles(connection, request_role)
    statements = [
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {_READ_WRITE} ON TABLES TO {roles}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {roles}",
    ]
    for row in connection.execute(_RELATIONS, {"tables": sorted(set(tables))}):
        relation = _Relation(*row)
        if relation.name in CORE_EXEMPT:
            rule = CORE_EXEMPT[relation.name]
            statements += [*_grant(relation, rule.grants, roles), *_replace_policies(relation, rule.policies)]
        elif relation.kind == "v":
            statements += [*_grant(relation, (_READ_WRITE,), roles), f"ALTER VIEW {relation.quoted} SET (security_invoker = true)"]
        elif relation.kind == "m":
            statements += _grant(relation, () if relation.clinic_type else ("SELECT",), roles)
        else:
            statements += [*_grant(relation, (_READ_WRITE,), roles), *_replace_policies(relation, _clinic_policies(relation))]
    # One block, one round trip: a module with four tables has some thirty of these.
    connection.exec_driver_sql(f"DO $policies$ BEGIN {'; '.join(statements)}; END $policies$")


async def refuse_bypass(session: AsyncSession) -> None:
    """Raise RoleNotIsolated unless row-level security binds the role of this session; called before serving."""
    superuser, bypass, owner = (
        await session.execute(
            text(
                """
                SELECT rolsuper, rolbypassrls,
                       EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                               AND pg_has_role(current_user, relowner, 'MEMBER'))
                FROM pg_roles WHERE rolname = current_user
                """
            )
        )
    ).one()
    if superuser or bypass or owner:
        raise RoleNotIsolated(
            "The role in DATABASE_URL owns the tables or bypasses row-level security, so that clinics would see each other's rows. "
            "Give DATABASE_URL a role of its own and the owner to OWNER_DATABASE_URL."
        )


def _request_roles(connection: Connection, given: str | None) -> str:
    if given is not None:
        return str(connection.scalar(text("SELECT quote_ident(:role)"), {"role": given}))
    roles = list(connection.scalars(_REQUEST_ROLES))
    if not roles:
        raise RequestRoleUnknown(
            "No role but the owner may connect to this database. Create the request role and run: GRANT CONNECT ON DATABASE … TO <role>."
        )
    return ", ".join(sorted(roles))


def _clinic_policies(relation: _Relation) -> tuple[Policy, ...]:
    if relation.clinic_type is None:
        return ()
    if relation.clinic_type != "uuid":
        raise ClinicColumnNotUuid(relation.name, relation.clinic_type)
    return (ISOLATION, SHARED) if relation.clinic_nullable else (ISOLATION,)


def _grant(relation: _Relation, privileges: tuple[str, ...], roles: str) -> Iterator[str]:
    yield f"REVOKE ALL ON {relation.quoted} FROM {roles}"
    if privileges:
        yield f"GRANT {', '.join(privileges)} ON {relation.quoted} TO {roles}"


def _replace_policies(relation: _Relation, policies: tuple[Policy, ...]) -> Iterator[str]:
    """Touch only what differs, since each of these statements locks the table against everybody; a module may add policies of its own."""
    present = dict(zip(relation.policies, relation.marks, strict=True))
    wanted = {policy.name: policy for policy in policies}
    kept = {name for name, policy in wanted.items() if present.get(name) == policy.mark}
    for name in sorted(present.keys() & (wanted.keys() | {ISOLATION.name, SHARED.name}) - kept):
        yield f"DROP POLICY {name} ON {relation.quoted}"
    for policy in policies:
        if policy.name not in kept:
            yield policy.sql(relation.quoted)
            yield f"COMMENT ON POLICY {policy.name} ON {relation.quoted} IS '{policy.mark}'"
    if policies and not relation.secured:
        yield f"ALTER TABLE {relation.quoted} ENABLE ROW LEVEL SECURITY"
