"""State tables: nothing leads nowhere, and what waits can be got unstuck."""

import pytest

from control_plane.machines import MACHINES
from control_plane.tenants.states import MACHINE as TENANT
from control_plane.tenants.states import STUCK, UNDER_WAY, TenantEvent, TenantState
from control_plane.transitions import IllegalTransition, Standing


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_state_is_reached_and_every_other_one_can_be_left(machine):
    states = {row.source for row in machine.transitions} | {row.target for row in machine.transitions}
    assert {row.target for row in machine.transitions} | {machine.initial} == states
    leads_on = {row.source for row in machine.transitions if row.source != row.target}
    assert states - leads_on == machine.final - {state for state in machine.final if state in leads_on}


@pytest.mark.parametrize("state", sorted(UNDER_WAY - {TenantState.CLOSING}))
def test_what_is_under_way_can_fail_and_what_failed_can_be_asked_again(state):
    stuck = TENANT.target(state, TenantEvent.OPERATION_FAILED)
    assert stuck in STUCK
    assert any(TENANT.target(row.source, row.on) in UNDER_WAY for row in TENANT.transitions if row.source == stuck)


def test_everything_alive_can_be_deleted_and_nothing_dead_comes_back():
    for state in set(TenantState) - {TenantState.DELETED, TenantState.DELETING}:
        assert TENANT.target(state, TenantEvent.DELETE_STARTED) is TenantState.DELETING
    with pytest.raises(IllegalTransition, match="is deleted"):
        TENANT.target(TenantState.DELETED, TenantEvent.CHANGE_STARTED)


def test_a_deletion_that_was_asked_can_be_undone():
    assert TENANT.target(TenantState.CLOSING, TenantEvent.UNDO_STARTED) is TenantState.CHANGING


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_state_says_what_it_is_and_what_is_unstable_says_how_it_ends(machine):
    assert set(machine.about) == set(type(machine.initial))
    assert machine.standing(Standing.FINAL) == machine.final
    for state, about in machine.about.items():
        assert about.meaning.endswith("."), state
        assert bool(about.deadline) is (about.standing is Standing.UNDER_WAY), state
        assert bool(about.way_out) is (about.standing in (Standing.UNDER_WAY, Standing.STUCK)), state


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_from_every_state_a_stable_or_final_one_is_reached(machine):
    resting = machine.standing(Standing.STABLE, Standing.FINAL)
    reaching = set(resting)
    while more := {row.source for row in machine.transitions if row.target in reaching} - reaching:
        reaching |= more
    assert reaching == set(type(machine.initial))
