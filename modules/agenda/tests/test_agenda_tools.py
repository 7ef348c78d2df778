"""What an agent can do in the agenda, and the agent that plans cabinets."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.agents import AgentContext, AgentMode
from app.modules.agenda.agents import _Booking, planned

PLANNER = "agenda.plan_cabinets"


@pytest.fixture
def acting(runtime, two_clinics):
    """`await acting("list_cabinets")`: the result, for the receptionist of the first clinic."""
    ctx = AgentContext(two_clinics.a.id, two_clinics.a.people["receptionist"], mode=AgentMode.AUTONOMOUS)

    async def call(name, arguments=None):
        return await runtime.state.tools.call(ctx, f"agenda.{name}", arguments)

    return call


def soon(hours, minutes=0):
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours, minutes=minutes)
    return moment.isoformat()


async def test_an_appointment_is_booked_moved_given_a_chair_and_led_to_treatment(acting, agenda):
    body = {"patient_id": agenda.patient_id, "professional_id": agenda.professional_id, "starts_at": soon(2), "ends_at": soon(3)}
    made = (await acting("create_appointment", body)).data

    moved = await acting("update_appointment", {"appointment_id": made["id"], "version": made["version"], "ends_at": soon(2, 30)})
    await acting("change_cabinet", {"appointment_id": made["id"], "cabinet_id": agenda.cabinet_id})
    for status in ("confirmed", "checked_in", "in_treatment"):
        assert (await acting("change_status", {"appointment_id": made["id"], "to_status": status})).ok
    read = (await acting("get_appointment", {"appointment_id": made["id"]})).data

    assert moved.ok, moved.error
    assert read["appointment"]["status"] == "in_treatment"
    assert read["appointment"]["cabinet_id"] == agenda.cabinet_id
    assert [step["to_status"] for step in read["history"]] == ["scheduled", "confirmed", "checked_in", "in_treatment"]
    upcoming = (await acting("list_upcoming_appointments", {"days": 1})).data
    assert [row["id"] for row in upcoming["appointments"]] == [made["id"]]


@pytest.mark.parametrize("status", ["completed", "cancelled", "no_show"])
async def test_an_end_waits_for_a_person_and_has_no_way_around(acting, agenda, status):
    appointment = await agenda.book()

    around = await acting("change_status", {"appointment_id": appointment["id"], "to_status": status})
    waiting = await acting("end_appointment", {"appointment_id": appointment["id"], "to_status": status})

    assert around.error.code == "arguments_invalid"
    assert waiting.waiting
    assert (await agenda.get(f"/appointments/{appointment['id']}")).json()["data"]["status"] == "scheduled"


async def test_a_clash_reaches_the_agent_with_what_is_in_the_way(acting, agenda):
    appointment = await agenda.book()

    result = await acting("create_appointment", agenda.booking())

    assert result.error.code == "appointment_clash"
    assert result.error.details["appointment_id"] == appointment["id"]


async def test_a_receptionist_lists_cabinets_and_adds_none(acting, agenda):
    assert [cabinet["id"] for cabinet in (await acting("list_cabinets")).data["cabinets"]] == [agenda.cabinet_id]
    assert (await acting("create_cabinet", {"name": "Two"})).error.code == "permission_denied"


async def test_every_route_that_writes_has_its_tool(runtime):
    from app.modules.agenda.router import router as of_agenda
    from app.modules.agenda.tools import TOOLS as agenda_tools
    from app.modules.patients.router import router as of_patients
    from app.modules.patients.tools import TOOLS as patients_tools

    for router, tools in ((of_agenda, agenda_tools), (of_patients, patients_tools)):
        writing = {route.endpoint.__name__ for route in router.routes if route.methods - {"GET", "HEAD"}}
        assert writing <= {tool.name for tool in tools}


async def booked(agenda, start, end, **fields):
    response = await agenda.post(agenda.booking() | {"starts_at": start, "ends_at": end} | fields)
    assert response.status_code == 201, response.text
    return response.json()["data"]["id"]


async def test_the_planner_proposes_and_a_person_approves(runtime, client, agenda, two_clinics):
    clinic = two_clinics.a
    appointment = await booked(agenda, soon(2), soon(3))

    result = await runtime.state.agents.run(PLANNER, clinic.id, user_id=clinic.people["receptionist"])

    assert result.data == {"done": 0, "waiting": 1, "refused": 0}
    [waiting] = (await client.get("/api/v1/agents/-/approvals?status=pending", headers=clinic.headers)).json()["data"]
    assert waiting["arguments"] == {"appointment_id": appointment, "cabinet_id": agenda.cabinet_id}
    approved = await client.post(f"/api/v1/agents/-/approvals/{waiting['id']}/approve", json={}, headers=clinic.headers)
    assert approved.json()["data"]["status"] == "executed"
    assert (await agenda.get(f"/appointments/{appointment}")).json()["data"]["cabinet_id"] == agenda.cabinet_id


async def test_where_the_clinic_lets_it_the_planner_acts_by_itself(runtime, client, agenda, two_clinics):
    clinic = two_clinics.a
    await client.put(f"/api/v1/agents/{PLANNER}", json={"enabled": True, "mode": "autonomous"}, headers=clinic.headers)
    appointment = await booked(agenda, soon(2), soon(3))

    result = await runtime.state.agents.run(PLANNER, clinic.id, user_id=clinic.people["receptionist"])

    assert result.ok, result.summary
    assert (await agenda.get(f"/appointments/{appointment}")).json()["data"]["cabinet_id"] == agenda.cabinet_id


hours = st.integers(min_value=0, max_value=30)
bookings = st.lists(st.tuples(hours, st.integers(1, 6), st.sampled_from([None, "a", "b"])), max_size=20)


@given(bookings, st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
def test_a_plan_never_puts_two_into_one_cabinet_and_leaves_none_out_that_fits(rows, cabinets):
    day = datetime(2030, 1, 7, tzinfo=UTC)
    known = [
        _Booking(str(number), cabinet, day + timedelta(hours=start), day + timedelta(hours=start + length))
        for number, (start, length, cabinet) in enumerate(rows)
    ]

    plan = planned(known, cabinets)

    assert set(plan) <= {booking.id for booking in known if booking.cabinet_id is None}
    assert set(plan.values()) <= set(cabinets)
    placed = {booking.id: plan.get(booking.id, booking.cabinet_id) for booking in known}
    for booking in known:
        beside = {placed[other.id] for other in known if other.id != booking.id and booking.overlaps(other)}
        if booking.id in plan:
            assert placed[booking.id] not in beside
        elif booking.cabinet_id is None:
            assert set(cabinets) <= beside
