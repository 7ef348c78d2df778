"""Who may do what: roles per clinic, second factors, password resets, the trail of sign-ins."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
