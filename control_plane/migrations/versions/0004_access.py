"""Operators, sessions, scoped keys, the audit chain, support access, and the tenants' data keys.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from control_plane.audit.chain import content_of, link_of

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


# Links are made at commit, when a transaction needs no further lock: two that record deeds never wait for each other crosswise.
CHAIN_AUDIT_ENTRY = """
CREATE FUNCTION chain_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_head;
    linked text;
BEGIN
    SELECT * INTO STRICT head FROM audit_head FOR UPDATE;
    linked := encode(sha256(convert_to(head.link || ' ' || (head.position + 1) || ' ' || NEW.content, 'UTF8')), 'hex');
    UPDATE audit_entry SET position = head.position + 1, previous = head.link, link = linked WHERE number = NEW.number;
    UPDATE audit_head SET position = head.position + 1, link = linked;
    RETURN NULL;
END $$
"""
GUARD_AUDIT_ENTRY = """
CREATE FUNCTION guard_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.link IS NULL AND NEW.link IS NOT NULL
        AND (OLD.number, OLD.at, OLD.actor, OLD.action, OLD.details, OLD.content) =
            (NEW.number, NEW.at, NEW.actor, NEW.action, NEW.details, NEW.content)
        AND OLD.tenant_id IS NOT DISTINCT FROM NEW.tenant_id
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'rows of % are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$
"""
START = "0" * 64
LINK = sa.text("UPDATE audit_entry SET content = :content, position = :position, previous = :previous, link = :link WHERE number = :number")


def chain_audit() -> None:
    op.add_column("audit_entry", sa.Column("content", sa.String(length=64), nullable=True))
    op.add_column("audit_entry", sa.Column("position", sa.BigInteger(), nullable=True))
    op.add_column("audit_entry", sa.Column("previous", sa.String(length=64), nullable=True))
    op.add_column("audit_entry", sa.Column("link", sa.String(length=64), nullable=True))
    op.create_table(
        "audit_head",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.CheckConstraint("one", name="ck_audit_head_one"),
        sa.PrimaryKeyConstraint("one", name="pk_audit_head"),
    )
    op.execute("DROP TRIGGER append_only ON audit_entry")
    position, link = _link_what_is_there()
    op.execute(sa.text("INSERT INTO audit_head VALUES (true, :position, :link)").bindparams(position=position, link=link))
    op.alter_column("audit_entry", "content", nullable=False)
    op.create_unique_constraint("uq_audit_entry_position", "audit_entry", ["position"])
    for statement in (
        CHAIN_AUDIT_ENTRY,
        GUARD_AUDIT_ENTRY,
        "CREATE CONSTRAINT TRIGGER chain AFTER INSERT ON audit_entry DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION chain_audit_entry()",
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION guard_audit_entry()",
        "CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER stays BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE TRIGGER stays_whole BEFORE TRUNCATE ON audit_head EXECUTE FUNCTION refuse_change()",
    ):
        op.execute(statement)


def _link_what_is_there() -> tuple[int, str]:
    """Chain the entries made before there was a chain, in the order they were made."""
    connection = op.get_bind()
    position, link = 0, START
    rows = connection.execute(sa.text("SELECT number, at, actor, action, tenant_id, details FROM audit_entry ORDER BY number")).all()
    for number, at, actor, action, tenant_id, details in rows:
        content = content_of(at, actor, action, str(tenant_id) if tenant_id else None, details)
        before, position = link, position + 1
        link = link_of(before, position, content)
        values = {"number": number, "content": content, "position": position, "previous": before, "link": link}
        connection.execute(LINK, values)
    return position, link


def upgrade() -> None:
    chain_audit()
    op.create_table(
        "tenant_key",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(sealed IS NULL) = (destroyed_at IS NOT NULL)", name="ck_tenant_key_there_until_destroyed"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tenant_key_tenant_id_tenant"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_tenant_key"),
    )
    op.create_table(
        "reseller",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reseller"),
        sa.UniqueConstraint("name", name="uq_reseller_name"),
    )
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("reseller_id", sa.Uuid(), nullable=True),
        sa.Column("password_hash", sa.String(length=300), nullable=True),
        sa.Column("sealed_second_factor", sa.LargeBinary(), nullable=True),
        sa.Column("second_factor_step", sa.BigInteger(), nullable=False),
        sa.Column("second_factor_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("oidc_issuer", sa.String(length=300), nullable=True),
        sa.Column("oidc_subject", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(kind = 'reseller') = (reseller_id IS NOT NULL)", name="ck_account_staff_of_a_reseller"),
        sa.CheckConstraint("(oidc_issuer IS NULL) = (oidc_subject IS NULL)", name="ck_account_oidc_whole"),
        sa.ForeignKeyConstraint(["reseller_id"], ["reseller.id"], name="fk_account_reseller_id_reseller"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("email", name="uq_account_email"),
    )
    op.create_index("uq_account_oidc", "account", ["oidc_issuer", "oidc_subject"], unique=True)
    op.create_table(
        "tenant_grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("reseller_id", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(account_id IS NULL) <> (reseller_id IS NULL)", name="ck_tenant_grant_to_one"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tenant_grant_tenant_id_tenant"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_tenant_grant_account_id_account"),
        sa.ForeignKeyConstraint(["reseller_id"], ["reseller.id"], name="fk_tenant_grant_reseller_id_reseller"),
        sa.PrimaryKeyConstraint("id", name="pk_tenant_grant"),
    )
    for column in ("tenant_id", "account_id", "reseller_id"):
        op.create_index(f"ix_tenant_grant_{column}", "tenant_grant", [column])
    for whom in ("account", "reseller"):
        still = sa.text("ended_at IS NULL")
        op.create_index(f"uq_tenant_grant_{whom}", "tenant_grant", ["tenant_id", f"{whom}_id"], unique=True, postgresql_where=still)
    op.create_table(
        "account_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_session_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_account_session"),
        sa.UniqueConstraint("digest", name="uq_account_session_digest"),
    )
    op.create_index("ix_account_session_account_id", "account_session", ["account_id"])
    op.create_index("ix_account_session_expires_at", "account_session", ["expires_at"])
    op.add_column("operator_key", sa.Column("account_id", sa.Uuid(), nullable=True))
    op.add_column("operator_key", sa.Column("scopes", postgresql.JSONB(none_as_null=True), nullable=True))
    op.add_column("operator_key", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("operator_key", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key("fk_operator_key_account_id_account", "operator_key", "account", ["account_id"], ["id"])
    op.create_index("ix_operator_key_account_id", "operator_key", ["account_id"])
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("window_ends", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_attempts"),
    )
    op.create_index("ix_attempts_window_ends", "attempts", ["window_ends"])
    op.create_table(
        "oidc_sign_in",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_oidc_sign_in"),
    )
    op.create_index("ix_oidc_sign_in_expires_at", "oidc_sign_in", ["expires_at"])


def downgrade() -> None:
    op.drop_table("oidc_sign_in")
    op.drop_table("attempts")
    for column in ("used_at", "expires_at", "scopes", "account_id"):
        op.drop_column("operator_key", column)
    for table in ("account_session", "tenant_grant", "account", "reseller", "tenant_key"):
        op.drop_table(table)
    op.execute("DROP TRIGGER chain ON audit_entry")
    op.execute("DROP TRIGGER append_only ON audit_entry")
    op.execute("DROP TRIGGER append_only_whole ON audit_entry")
    op.drop_table("audit_head")
    for column in ("link", "previous", "position", "content"):
        op.drop_column("audit_entry", column)
    op.execute("DROP FUNCTION chain_audit_entry()")
    op.execute("DROP FUNCTION guard_audit_entry()")
    op.execute("CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_change()")
