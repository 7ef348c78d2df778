"""State tables: nothing leads nowhere, and what waits can be got unstuck."""

import pytest

from control_plane.operations.states import MACHINE as OPERATION
from control_plane.tenants.states import MACHINE as TENANT
from control_plane.tenants.states import UNDER_WAY, TenantEvent, TenantState
from control_plane.transitions import IllegalTransition


@pytest.mark.parametrize("machine", [TENANT, OPERATION], ids=["tenant", "operation"])
def test_every_state_is_reached_and_every_other_one_can_be_left(machine):
    states = {row.source for row in machine.transitions} | {row.target for row in machine.transitions}
    assert {row.target for row in machine.transitions} | {machine.initial} == states
    leads_on = {row.source for row in machine.transitions if row.source != row.target}
    assert states - leads_on == machine.final - {state for state in machine.final if state in leads_on}


def test_what_is_under_way_can_fail_and_what_failed_can_be_asked_again():
    for state in UNDER_WAY:
        stuck = TENANT.target(state, TenantEvent.OPERATION_FAILED)
        assert any(TENANT.target(row.source, row.on) in UNDER_WAY for row in TENANT.transitions if row.source == stuck)


def test_everything_alive_can_be_deleted_and_nothing_dead_comes_back():
    for state in set(TenantState) - {TenantState.DELETED, TenantState.DELETING}:
        assert TENANT.target(state, TenantEvent.DELETE_STARTED) is TenantState.DELETING
    with pytest.raises(IllegalTransition, match="is deleted"):
        TENANT.target(TenantState.DELETED, TenantEvent.CHANGE_STARTED)
