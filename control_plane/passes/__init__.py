"""Periodic work: all passes in one list. Rows in `periodic_pass` say when each is due; any worker runs them, one at a time each."""

from datetime import timedelta
from typing import Final

from control_plane.backups.passes import begin_due, check_one, tidy
from control_plane.billing.passes import begin_due as billing_due
from control_plane.billing.passes import reconcile as billing_reconcile
from control_plane.campaigns.driving import drive_campaigns
from control_plane.demos.passes import look as see_to_demos
from control_plane.domains.proving import look as look_for_proofs
from control_plane.exit.deletions import delete_due
from control_plane.exit.erasing import copies_due
from control_plane.law.dates import keep_the_law
from control_plane.mail.delivery import run as mails
from control_plane.operations.housekeeping import keep_house
from control_plane.operations.surveying import survey
from control_plane.operations.taking_up import take_up
from control_plane.passes.base import Pass
from control_plane.resellers.ledger import derive_all
from control_plane.resellers.statements import issue_due
from control_plane.resellers.transfers import expire_due
from control_plane.signup.passes import run as signups
from control_plane.standing.passes import climb_ladders
from control_plane.support.passes import look
from control_plane.vault.passes import rotate_due
from control_plane.webhooks.delivery import run as webhooks

__all__ = ["PASSES", "Pass"]

PASSES: Final[tuple[Pass, ...]] = (
    Pass("billing", timedelta(seconds=10), billing_due),
    Pass("billing_reconcile", timedelta(days=1), billing_reconcile, patience=timedelta(hours=2)),
    Pass("housekeeping", timedelta(hours=1), keep_house),
    Pass("vault", timedelta(days=1), rotate_due),
    Pass("backups", timedelta(minutes=1), begin_due),
    Pass("backups_tidy", timedelta(hours=6), tidy),
    Pass("backup_checks", timedelta(minutes=5), check_one, patience=timedelta(hours=1)),
    Pass("take_up", timedelta(minutes=1), take_up),
    Pass("mails", timedelta(seconds=10), mails),
    Pass("webhooks", timedelta(seconds=3), webhooks),
    Pass("signups", timedelta(seconds=3), signups),
    Pass("survey", timedelta(seconds=15), survey),
    Pass("campaigns", timedelta(seconds=5), drive_campaigns),
    Pass("deletions", timedelta(minutes=10), delete_due),
    Pass("exits", timedelta(hours=1), copies_due),
    Pass("demos", timedelta(minutes=1), see_to_demos),
    Pass("domains", timedelta(seconds=15), look_for_proofs),
    Pass("support", timedelta(seconds=10), look),
    Pass("standing", timedelta(seconds=10), climb_ladders),
    Pass("law_dates", timedelta(minutes=1), keep_the_law),
    Pass("transfers", timedelta(minutes=10), expire_due),
    Pass("statements", timedelta(hours=1), issue_due),
    Pass("commission", timedelta(days=1), derive_all, patience=timedelta(hours=1)),
)
