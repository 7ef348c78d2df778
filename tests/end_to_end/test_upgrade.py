"""On real runtimes: an upgrade that fails half-way and goes back with the data, the rehearsal that would have said so, and a good one."""

from contextlib import closing

import pytest

from tests.support.installation import create_tenant, finished, send, sign_in, wait_for
from tests.support.runtime_env import make_overlay
from tests.support.sample_versions import ADD_COLOUR, migration, sample

pytestmark = pytest.mark.timeout(900)

HALF_WAY = migration(
    "sample_0002",
    "sample_0001",
    """op.execute("UPDATE sample_notes SET title = 'ruined'")""",
    # Committed by itself: what it changed is still there when the next one fails.
    more='transaction = "own"',
)
FAILING = migration("sample_0003", "sample_0002", """op.execute("SELECT 1 / (SELECT count(*) * 0 FROM sample_notes)")""")
WORKING = migration("sample_0002", "sample_0001", ADD_COLOUR.format(table="sample_notes"))


@pytest.fixture(scope="module")
def releases(platform, tmp_path_factory):
    """The ids of three releases beside the platform's own: the sample module as it is, one that fails half-way, and one that works."""
    folder = tmp_path_factory.mktemp("releases")
    sources = {
        "good": sample(folder / "good" / "sample_module", "0.1.0"),
        "failing": sample(folder / "failing" / "sample_module", "0.2.0", sample_0002=HALF_WAY, sample_0003=FAILING),
        "working": sample(folder / "working" / "sample_module", "0.3.0", sample_0002=WORKING),
    }
    found = {}
    for name, source in sources.items():
        environment = make_overlay(folder / f"{name}-env", source)
        # Early, so that the clinics of other tests get what they always got.
        body = {"environment": str(environment), "channel": "early"}
        answer = send(lambda body=body: platform.api.post("/v1/releases", json=body))
        assert answer.status_code == 201, answer.text
        found[name] = answer.json()["id"]
    return found


def asked(platform, path, **body):
    answer = send(lambda: platform.api.post(f"/v1/tenants/clinica-sube/{path}", json=body))
    assert answer.status_code == 202, answer.text
    return answer.json()["operation"]


def over(platform, operation):
    def ended():
        found = send(lambda: platform.api.get(f"/v1/operations/{operation['id']}")).json()
        return found if found["finished"] else None

    return wait_for(ended, f"operation {operation['id']} is over", seconds=240)


def test_an_upgrade_that_fails_half_way_goes_back_with_the_data_and_a_better_one_succeeds(platform, releases):
    created = create_tenant(platform.api, name="Clínica Sube", modules=[])
    finished(platform.api, created["operation"])
    send(lambda: platform.api.put("/v1/tenants/clinica-sube/release", json={"channel": "early"}))
    finished(platform.api, asked(platform, "upgrade", release=releases["good"]))
    answer = send(lambda: platform.api.put("/v1/tenants/clinica-sube/modules", json={"modules": ["sample_module"]}))
    assert answer.status_code == 202, answer.text
    finished(platform.api, answer.json()["operation"])
    tenant = platform.api.get("/v1/tenants/clinica-sube").json()
    assert tenant["observed"]["release"] == tenant["desired"]["release"] == releases["good"]

    with closing(sign_in(platform.data, tenant["url"])) as owner:
        made = owner.post("/api/v1/sample_module/notes", json={"title": "Llamar a Ana"})
        assert made.status_code == 201, made.text
        before = owner.get("/api/v1/sample_module/notes").json()["data"]

        ended = over(platform, asked(platform, "upgrade", release=releases["failing"]))
        back = platform.api.get("/v1/tenants/clinica-sube").json()

        assert ended["state"] == "rolled_back", ended
        assert "sample_module" in ended["reason"]
        assert ended["result"]["put_back"] == ended["result"]["backup"]
        assert (back["state"], back["in_sync"], back["observed"]["release"]) == ("active", True, releases["good"])
        assert back["desired"]["revision"] > tenant["desired"]["revision"] + 1
        assert owner.get("/api/v1/sample_module/notes").json()["data"] == before

        # What the rehearsal would have said; the clinic notices nothing of it.
        rehearsed = finished(platform.api, asked(platform, "rehearsals", release=releases["failing"]))["result"]["rehearsal"]
        assert rehearsed["ok"] is False
        assert "sample_module" in rehearsed["problem"]
        assert finished(platform.api, asked(platform, "rehearsals", release=releases["working"]))["result"]["rehearsal"]["ok"] is True
        assert platform.api.get("/v1/tenants/clinica-sube").json()["observed"] == back["observed"]

        finished(platform.api, asked(platform, "upgrade", release=releases["working"]))
        after = platform.api.get("/v1/tenants/clinica-sube").json()
        assert (after["state"], after["in_sync"], after["observed"]["release"]) == ("active", True, releases["working"])
        assert {one["name"]: one["version"] for one in after["observed"]["modules"]}["sample_module"] == "0.3.0"
        assert owner.get("/api/v1/sample_module/notes").json()["data"] == before

    refused = send(lambda: platform.api.post("/v1/tenants/clinica-sube/upgrade", json={"release": releases["good"], "override": True}))
    assert (refused.status_code, refused.json()["code"]) == (409, "release_unfit")
    assert {one["code"] for one in refused.json()["obstacles"]} == {"module_older", "tables_ahead"}
