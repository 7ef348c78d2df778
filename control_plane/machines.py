"""Every state machine of the platform, by the table whose column `state` it governs: for the database's guard, the docs and the tests."""

from typing import Any, Final

from control_plane.backups.states import MACHINE as BACKUP
from control_plane.campaigns.states import CAMPAIGN, MEMBER, WAVE
from control_plane.demos.states import MACHINE as DEMO
from control_plane.domains.states import MACHINE as DOMAIN
from control_plane.law.states import MACHINE as EDITION
from control_plane.mail.states import MACHINE as MAIL
from control_plane.operations.states import MACHINE as OPERATION
from control_plane.resellers.states import MACHINE as TRANSFER
from control_plane.signup.states import MACHINE as RESERVATION
from control_plane.standing.states import MACHINE as STANDING
from control_plane.support.states import MACHINE as SUPPORT
from control_plane.tenants.states import MACHINE as TENANT
from control_plane.transitions import StateMachine
from control_plane.webhooks.states import DELIVERY, ENDPOINT

MACHINES: Final[dict[str, StateMachine[Any, Any]]] = {
    "tenant": TENANT,
    "operation": OPERATION,
    "outgoing_mail": MAIL,
    "pack_edition": EDITION,
    "webhook_endpoint": ENDPOINT,
    "webhook_delivery": DELIVERY,
    "campaign": CAMPAIGN,
    "campaign_wave": WAVE,
    "campaign_member": MEMBER,
    "backup": BACKUP,
    "support_request": SUPPORT,
    "tenant_transfer": TRANSFER,
    "demo": DEMO,
    "tenant_domain": DOMAIN,
    "signup_reservation": RESERVATION,
    "payment_standing": STANDING,
}
