"""All tables of the platform in one place, for migrations and for the test that compares both."""

from sqlalchemy import Boolean, Column, String, Table, false

from control_plane.access import models as access
from control_plane.audit import models as audit
from control_plane.backups import models as backups
from control_plane.billing import models as billing
from control_plane.campaigns import models as campaigns
from control_plane.clusters import models as clusters
from control_plane.database import Base
from control_plane.databases import models as databases
from control_plane.demos import models as demos
from control_plane.domains import models as domains
from control_plane.exit import models as leaving
from control_plane.idempotency import models as idempotency
from control_plane.law import models as law
from control_plane.mail import models as mail
from control_plane.maintenance import models as maintenance
from control_plane.operations import models as operations
from control_plane.passes import models as passes
from control_plane.payments.manual import models as manual_payments
from control_plane.plans import models as plans
from control_plane.releases import models as releases
from control_plane.resellers import models as resellers
from control_plane.revisions import models as revisions
from control_plane.signup import models as signup
from control_plane.standing import models as standing
from control_plane.support import models as support
from control_plane.tenants import models as tenants
from control_plane.vault import models as vault
from control_plane.webhooks import models as webhooks

MODELS = (
    access,
    audit,
    campaigns,
    clusters,
    backups,
    billing,
    law,
    databases,
    demos,
    domains,
    idempotency,
    leaving,
    mail,
    maintenance,
    operations,
    manual_payments,
    passes,
    plans,
    releases,
    resellers,
    revisions,
    signup,
    support,
    standing,
    tenants,
    vault,
    webhooks,
)
metadata = Base.metadata
Table(
    "state_transition",
    metadata,
    Column("machine", String(40), primary_key=True),
    Column("source", String(20), primary_key=True),
    Column("target", String(20), primary_key=True),
    Column("retired", Boolean, server_default=false(), nullable=False),
)
