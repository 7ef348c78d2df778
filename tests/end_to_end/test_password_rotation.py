"""Database passwords made anew under load, on a real runtime and a real server: no request notices, and the earlier ones let nobody in."""

import asyncio
import threading
from collections import Counter
from contextlib import closing, contextmanager
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx2

from tests.support.installation import create_tenant, finished, send, sign_in

ROTATE = "/v1/tenants/clinica-gira/database-passwords/rotate"


@contextmanager
def load(url, headers, *, visitors=3):
    """People at work: each reads and writes over and over; what every answer was, by status or by what went wrong."""
    answers, stop, served = Counter(), threading.Event(), threading.Event()

    def work(number):
        while not stop.is_set():
            # A connection of its own for each piece of work, as people who come and go have.
            with httpx2.Client(base_url=url, headers=headers, timeout=30) as client:
                for turn in range(5):
                    try:
                        if turn:
                            answer = client.get("/api/v1/patients", params={"page_size": 5})
                        else:
                            answer = client.post("/api/v1/patients", json={"first_name": f"Ana {number}", "last_name": "Gira"})
                        answers[answer.status_code] += 1
                    except httpx2.TransportError as error:
                        answers[repr(error)] += 1
                    served.set()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(visitors)]
    for thread in threads:
        thread.start()
    assert served.wait(30)
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def credentials(platform, tenant_id):
    folder = platform.data / "tenants" / tenant_id / "secrets"
    return {name: (folder / f"{name}.url").read_text() for name in ("owner", "app")}


async def signs_in(url):
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        return False
    await connection.close()
    return True


def test_no_request_fails_while_the_passwords_of_a_working_clinic_are_made_anew_twice(platform):
    created = create_tenant(platform.api, name="Clínica Gira", modules=["patients"])
    finished(platform.api, created["operation"])
    tenant = platform.api.get("/v1/tenants/clinica-gira").json()
    seen = [credentials(platform, tenant["id"])]

    with closing(sign_in(platform.data, tenant["url"])) as owner:
        headers = {"authorization": owner.headers["authorization"]}
        with load(tenant["url"], headers) as answers:
            for serial in (1, 2):
                answer = send(lambda: platform.api.post(ROTATE))
                assert answer.status_code == 202, answer.text
                ended = finished(platform.api, answer.json()["operation"])
                assert ended["result"]["ended_connections"] == 0
                assert platform.api.get("/v1/tenants/clinica-gira/database-passwords").json()["serial"] == serial
                seen.append(credentials(platform, tenant["id"]))
        total, rows = sum(answers.values()), answers[201]
        kept = owner.get("/api/v1/patients", params={"page_size": 1, "search": "Gira"}).json()

    assert set(answers) == {200, 201}, answers
    assert total > 50
    assert kept["total"] == rows
    for who in ("owner", "app"):
        assert [asyncio.run(signs_in(found[who])) for found in seen] == [False, False, True]
    assert len({urlsplit(found["app"]).password for found in seen}) == 3
    assert UUID(tenant["id"]).hex in urlsplit(seen[-1]["app"]).username
