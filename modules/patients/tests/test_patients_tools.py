"""What an agent can do with patients through the registry, as the person it acts for."""

import pytest

from app.core.agents import AgentContext, AgentMode


@pytest.fixture
def acting(runtime, two_clinics):
    """`await acting("search_patients", {...})`: the result's data, for the receptionist of the first clinic."""
    tools = runtime.state.tools
    ctx = AgentContext(two_clinics.a.id, two_clinics.a.people["receptionist"], mode=AgentMode.AUTONOMOUS)

    async def call(name, arguments):
        result = await tools.call(ctx, f"patients.{name}", arguments)
        assert result.ok, result.error
        return result.data

    call.refused = lambda name, arguments: tools.call(ctx, f"patients.{name}", arguments)
    return call


async def test_a_patient_is_created_found_changed_archived_and_restored(acting, published):
    made = await acting("create_patient", {"first_name": "Ana", "last_name": "García", "phone": "600 100 200"})

    found = await acting("search_patients", {"query": "600100200"})
    changed = await acting("update_patient", {"patient_id": made["id"], "version": made["version"], "notes": "calls in the morning"})
    archived = await acting("archive_patient", {"patient_id": made["id"]})
    gone = await acting("search_patients", {"query": "ana"})
    restored = await acting("restore_patient", {"patient_id": made["id"]})

    assert [patient["id"] for patient in found["patients"]] == [made["id"]]
    assert (changed["notes"], changed["phone"]) == ("calls in the morning", "600 100 200")
    assert archived["status"] == "archived"
    assert gone["total"] == 0
    assert restored["status"] == "active"
    assert [payload["patient_id"] for payload in await published("patient.created")] == [made["id"]]


async def test_what_the_service_refuses_reaches_the_agent_in_its_words(acting):
    made = await acting("create_patient", {"first_name": "Ana"})

    result = await acting.refused("update_patient", {"patient_id": made["id"], "version": 7, "notes": "late"})

    assert result.error.code == "patient_changed"
    assert made["id"] in result.error.message


async def test_likely_duplicates_are_found_before_anything_is_written(acting):
    made = await acting("create_patient", {"first_name": "Ana", "last_name": "García"})

    found = await acting("check_duplicates", {"first_name": "Ana", "last_name": "Garcia"})

    assert [patient["id"] for patient in found["possible_duplicates"]] == [made["id"]]
    assert (await acting("search_patients", {"query": "ana"}))["total"] == 1


async def test_a_patient_of_another_clinic_is_not_there(acting, client, two_clinics):
    answer = await client.post("/api/v1/patients", json={"first_name": "Eva"}, headers=two_clinics.b.headers)

    result = await acting.refused("get_patient", {"patient_id": answer.json()["data"]["id"]})

    assert result.error.code == "patient_not_found"
