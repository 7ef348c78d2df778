"""How long the platform keeps what. The list is complete: a table that is not in it fails a test."""

from typing import Final

from dentalpin_kit.retention import Kept

_ALWAYS: Final = "as long as the platform"
_WITH_THE_TENANT: Final = "as long as the tenant's row, which stays after deletion"

KEPT: Final[tuple[Kept, ...]] = (
    Kept("tenant", "control_plane.tenants", _ALWAYS, "a slug and an account are never given to somebody else; facts for invoices and law"),
    Kept("observation", "control_plane.tenants", "the newest of each tenant", "what a runtime last proved about itself"),
    Kept("revision", "control_plane.revisions", _WITH_THE_TENANT, "immutable: what a tenant was asked to run, and why"),
    Kept("fact_statement", "control_plane.law", _WITH_THE_TENANT, "what a legal entity stated, when it held and when it was known"),
    Kept("pack_version", "control_plane.law", _ALWAYS, "the law as it was applied; revisions name the digests"),
    Kept("pack_edition", "control_plane.law", _ALWAYS, "which packs were in use from when, and who published them"),
    Kept("database_server", "control_plane.databases", "until it is taken out", "where tenants' data lies; its address is sealed"),
    Kept("release", "control_plane.releases", _ALWAYS, "revisions point to it"),
    Kept("operation", "control_plane.operations", _WITH_THE_TENANT, "what was done to a tenant, when and by whom"),
    Kept("operation_step", "control_plane.operations", _WITH_THE_TENANT, "the steps of an operation"),
    Kept("tenant_lease", "control_plane.operations", "one row per tenant", "who works on a tenant now"),
    Kept("periodic_pass", "control_plane.passes", "one row per pass", "when each periodic pass is due and how it went last"),
    Kept("maintenance_window", "control_plane.maintenance", _WITH_THE_TENANT, "when a clinic may be restarted"),
    Kept("campaign", "control_plane.campaigns", _ALWAYS, "which releases were brought to whom, and what stopped them"),
    Kept("campaign_wave", "control_plane.campaigns", _ALWAYS, "the frozen plan of a campaign"),
    Kept("campaign_member", "control_plane.campaigns", _ALWAYS, "what became of each tenant in a campaign"),
    Kept("known_bad_pair", "control_plane.campaigns", _ALWAYS, "ways between releases nobody is moved along; lifted ones stay"),
    Kept("backup", "control_plane.backups", _WITH_THE_TENANT, "what was kept of a tenant, until when, and why it is gone"),
    Kept("backup_schedule", "control_plane.backups", "one row per tenant", "when the next backup is due"),
    Kept("backup_check", "control_plane.backups", "two years", "whether backups could be restored", cleared_by="backups.passes"),
    Kept("audit_entry", "control_plane.audit", _ALWAYS, "append-only: who did what"),
    Kept("audit_head", "control_plane.audit", "one row", "where the audit's chain ends"),
    Kept("operator_key", "control_plane.access", _ALWAYS, "digests; revoked ones stay, since the audit names them"),
    Kept("account", "control_plane.access", _ALWAYS, "who may sign in here; disabled ones stay, since the audit names them"),
    Kept("reseller", "control_plane.access", _ALWAYS, "companies that bring clinics"),
    Kept("tenant_grant", "control_plane.access", _WITH_THE_TENANT, "whose a tenant is, and was"),
    Kept("account_session", "control_plane.access", "30 days after its end", "who is signed in", cleared_by="access.tidying"),
    Kept("attempts", "control_plane.access", "until its window ends", "rate limits, under digests", cleared_by="access.tidying"),
    Kept("oidc_sign_in", "control_plane.access", "ten minutes", "a sign-in on its way back", cleared_by="access.tidying"),
    Kept("tenant_key", "control_plane.vault", _WITH_THE_TENANT, "a tenant's data key, sealed; emptied by erasure"),
    Kept("tenant_export", "control_plane.exit", _WITH_THE_TENANT, "what was exported and kept; the archive itself goes on its day"),
    Kept("export_link", "control_plane.exit", _WITH_THE_TENANT, "digests; who was given what to download"),
    Kept("erasure", "control_plane.exit", _ALWAYS, "proof that was asked for"),
    Kept("erasure_receipt", "control_plane.exit", _ALWAYS, "what became of a clinic in each system"),
    Kept("idempotent_answer", "control_plane.idempotency", "one day", "to answer a repeated request", cleared_by="operations.housekeeping"),
    Kept(
        "state_transition",
        "control_plane.transitions",
        "written anew at each migration",
        "the state tables, where the database can read them",
    ),
    Kept("alembic_version", "control_plane.migrations", _ALWAYS, "which migrations were applied"),
    Kept(
        "outgoing_mail",
        "control_plane.mail",
        "180 days, its text until it was sent",
        "to deliver, and to answer whether somebody was told",
        cleared_by="operations.housekeeping",
    ),
    Kept("webhook_endpoint", "control_plane.webhooks", "until it is removed", "whom to tell of what"),
    Kept(
        "webhook_event",
        "control_plane.webhooks",
        "30 days, longer while a delivery waits",
        "to deliver and to deliver again",
        cleared_by="operations.housekeeping",
    ),
    Kept("webhook_delivery", "control_plane.webhooks", "as long as its event", "what became of it"),
    Kept("signup", "control_plane.signup", _ALWAYS, "which tenant a sign-up became; the page that shows its progress"),
)
