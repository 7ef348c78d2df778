"""What the supervisor decides, as plain values."""

from dataclasses import replace

import pytest

from control_plane.deployers.local.placement import Goal
from control_plane.deployers.local.rules import Act, Door, Timing, View, Wanted, decide

TIMING = Timing()
OLD, NEW = Wanted("one", 0), Wanted("two", 0)
IDLE = View(Goal.RUNNING, NEW, None, None, 0.0, demand=False, failures=0, not_before=0.0, now=100.0)


def act_and_door(view):
    decision = decide(view, TIMING)
    return decision.act, decision.door


def test_an_idle_tenant_is_watched_without_accepting():
    assert act_and_door(IDLE) == (Act.WAIT, Door.WATCHED)


def test_demand_starts_a_process_and_lets_the_visitor_wait():
    assert act_and_door(replace(IDLE, demand=True)) == (Act.START, Door.CLOSED)


def test_what_serves_as_wanted_is_left_alone():
    assert decide(replace(IDLE, serving=NEW), TIMING) == decide(replace(IDLE, serving=NEW, now=1e9), TIMING)


def test_another_wanted_starts_a_successor_while_the_old_serves():
    assert act_and_door(replace(IDLE, serving=OLD)) == (Act.START, Door.CLOSED)


def test_one_start_at_a_time():
    assert act_and_door(replace(IDLE, starting=OLD, starting_since=99.0, demand=True)) == (Act.WAIT, Door.CLOSED)


def test_a_slow_start_is_explained_to_visitors():
    assert act_and_door(replace(IDLE, starting=NEW, starting_since=70.0)) == (Act.WAIT, Door.ANSWERED)


def test_a_slow_successor_leaves_the_socket_to_the_old_process():
    assert act_and_door(replace(IDLE, serving=OLD, starting=NEW, starting_since=50.0)) == (Act.WAIT, Door.CLOSED)


def test_a_start_that_hangs_is_given_up():
    assert decide(replace(IDLE, starting=NEW, starting_since=100.0 - TIMING.start_limit), TIMING).act is Act.GIVE_UP


def test_after_a_failure_the_next_attempt_waits_and_visitors_are_told():
    decision = decide(replace(IDLE, demand=True, failures=2, not_before=102.0), TIMING)

    assert (decision.act, decision.door, decision.look_again) == (Act.WAIT, Door.ANSWERED, 102.0)


def test_stopping_ends_what_runs_and_answers_visitors():
    assert act_and_door(replace(IDLE, goal=Goal.STOPPED, serving=NEW)) == (Act.STOP, Door.ANSWERED)
    assert act_and_door(replace(IDLE, goal=Goal.STOPPED, demand=True)) == (Act.WAIT, Door.ANSWERED)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0.0), (1, 1.0), (2, 2.0), (5, 16.0), (20, 60.0)])
def test_attempts_come_ever_more_slowly_up_to_a_limit(failures, seconds):
    assert TIMING.retry_after(failures) == seconds
