"""Where a clinic stands with paying, in plain words: each state has its sentences, and what is owed comes first."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from control_plane.account_pages import texts
from control_plane.account_pages.seeing import paying
from control_plane.backups.states import BackupState
from control_plane.billing.models import Agreement, BilledInvoice
from control_plane.billing.states import AgreementStatus, ProviderName
from control_plane.payments.values import InvoiceStatus
from control_plane.resellers.states import TransferState
from control_plane.signup import texts as signup
from control_plane.support.states import SupportState
from control_plane.tenants.states import TenantState

DAY = datetime(2026, 12, 1, tzinfo=UTC)
STATES = {"tenant": TenantState, "backup": BackupState, "invoice": InvoiceStatus, "support": SupportState}
FOLDER = Path(texts.__file__).parent


def agreement(status: AgreementStatus = AgreementStatus.ACTIVE, **facts) -> Agreement:
    base = {"provider": ProviderName.STRIPE, "has_method": True, "cancels_at_period_end": False, "trial_ends": DAY, "period_ends": DAY}
    return Agreement(status=status, **{**base, **facts})


def invoice(status: InvoiceStatus = InvoiceStatus.OPEN, due: str = "41.00") -> BilledInvoice:
    return BilledInvoice(status=status, due=Decimal(due), created_at=DAY, due_at=DAY, next_attempt_at=DAY)


@pytest.mark.parametrize(
    ("found", "invoices", "key"),
    [
        (None, [], "none"),
        (agreement(AgreementStatus.NEW), [], "new"),
        (agreement(AgreementStatus.INCOMPLETE), [invoice()], "incomplete"),
        (agreement(AgreementStatus.TRIALING), [], "trial"),
        (agreement(AgreementStatus.TRIALING, has_method=False), [], "trial_no_card"),
        (agreement(AgreementStatus.PAUSED, has_method=False), [], "paused"),
        (agreement(), [invoice(InvoiceStatus.PAID, "0.00")], "active"),
        (agreement(AgreementStatus.PAST_DUE, overdue_since=DAY), [invoice()], "overdue"),
        (agreement(cancels_at_period_end=True), [], "ends"),
        (agreement(cancels_at_period_end=True, overdue_since=DAY), [invoice()], "overdue"),
        (agreement(AgreementStatus.CANCELED), [], "canceled"),
        (agreement(provider=ProviderName.MANUAL, has_method=False), [invoice()], "transfer"),
        (agreement(AgreementStatus.PAST_DUE, provider=ProviderName.MANUAL, has_method=False, overdue_since=DAY), [invoice()], "late"),
        (agreement(AgreementStatus.TRIALING, provider=ProviderName.MANUAL, has_method=False), [], "trial"),
    ],
)
def test_every_state_of_paying_has_its_words(found, invoices, key):
    state = paying(found, invoices)
    assert state.key == key
    assert {f"pay.{key}.title", f"pay.{key}.text"} <= texts.catalogue().keys()


def test_every_state_that_is_shown_has_its_words():
    named = {f"{kind}.{state}" for kind, states in STATES.items() for state in states}
    over = {f"transfer.{state}" for state in TransferState if state is not TransferState.REQUESTED}
    assert named | over <= texts.catalogue().keys()


def test_no_sentence_is_missing_left_over_or_different_in_one_language():
    everything = "".join(path.read_text(encoding="utf-8") for path in [*FOLDER.glob("*.py"), *FOLDER.glob("templates/*.html")])
    own = texts.catalogue().keys() - signup.catalogue().keys()
    assert set(re.findall(r'say\("([a-z_.]+)"', everything)) - texts.catalogue().keys() == {
        "pay.",
        "tenant.",
        "backup.",
        "invoice.",
        "nav.",
        "support.",
        "paper.",
        "transfer.",
        "transfer.pays.",
        "usage.",
    }
    composed = ("pay.", "tenant.", "backup.", "invoice.", "nav.", "support.", "error.", "paper.", "transfer.", "usage.")
    assert {key for key in own if f'"{key}"' not in everything and not key.startswith(composed)} == set()
    for key, text in texts.catalogue().items():
        assert set(re.findall(r"{(\w+)}", text.en)) == set(re.findall(r"{(\w+)}", text.es)), key
