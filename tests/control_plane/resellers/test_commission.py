"""What is owed for an invoice, and that the ledger's lines add up to it whatever happened in which order."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.resellers.commission import NOTHING, Collected, EntryKind, Share, commission, missing, shares

PAID, REFUNDED, DISPUTED = EntryKind
cents = st.integers(0, 500_000).map(lambda value: Decimal(value) / 100)
percents = st.integers(0, 10_000).map(lambda value: Decimal(value) / 100)


@st.composite
def invoices(draw):
    """States one invoice goes through, in any order: paid in parts, refunded, disputed, the dispute won."""
    net = draw(cents)
    total = net + draw(cents)
    states = draw(st.lists(st.tuples(cents, cents, cents), min_size=1, max_size=6))
    return [
        Collected(net, total, min(paid, total), min(refunded, paid, total), min(disputed, paid, total))
        for paid, refunded, disputed in states
    ]


def test_commission_is_a_part_of_the_net_amount():
    state = Collected(net=Decimal("100.00"), total=Decimal("121.00"), paid=Decimal("121.00"))
    assert shares(state, Decimal("20.00"))[PAID] == Share(Decimal("121.00"), Decimal("100.00"), Decimal("20.00"))


def test_a_refund_and_a_dispute_take_back_what_they_are_of():
    net, total = Decimal("100.00"), Decimal("121.00")
    state = Collected(net, total, paid=total, refunded=Decimal("60.50"), disputed=Decimal("60.50"))
    found = shares(state, Decimal(20))
    assert [found[kind].amount for kind in EntryKind] == [Decimal("20.00"), Decimal("-10.00"), Decimal("-10.00")]
    assert commission(state, Decimal(20)) == 0


def test_a_dispute_that_was_won_brings_back_what_it_took():
    net, total = Decimal("29.00"), Decimal("35.09")
    disputed = shares(Collected(net, total, paid=total, disputed=total), Decimal(15))
    won = missing(Collected(net, total, paid=total), Decimal(15), disputed)
    assert won == {DISPUTED: Share(total, net, Decimal("4.35"))}


def test_a_payment_both_refunded_and_disputed_is_lost_once():
    state = Collected(Decimal(50), Decimal(50), paid=Decimal(50), refunded=Decimal(50), disputed=Decimal(50))
    assert commission(state, Decimal(10)) == 0
    assert shares(state, Decimal(10))[DISPUTED] == NOTHING


@pytest.mark.parametrize("state", [Collected(Decimal(0), Decimal(0)), Collected(Decimal(29), Decimal(35))])
def test_nothing_is_owed_for_what_nobody_paid(state):
    assert missing(state, Decimal(20), {}) == {}


@given(invoices(), percents)
def test_the_ledger_says_at_every_moment_what_is_owed_and_deriving_again_adds_nothing(states, percent):
    ledger: dict[EntryKind, Share] = {}
    for state in states:
        for kind, line in missing(state, percent, ledger).items():
            ledger[kind] = ledger.get(kind, NOTHING) + line
        assert sum((line.amount for line in ledger.values()), Decimal(0)) == commission(state, percent)
        assert missing(state, percent, ledger) == {}


@given(invoices(), percents)
def test_nobody_is_owed_more_than_what_was_kept(states, percent):
    for state in states:
        kept = max(Decimal(0), state.paid - state.refunded - state.disputed)
        assert 0 <= commission(state, percent) <= kept
