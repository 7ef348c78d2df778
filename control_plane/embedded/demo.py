"""`./dev up --demo`: a Spanish clinic with something to look at, made through the same doors as any other.

Every step looks first at what is there, so a start that was killed half-way is finished by the next.
"""

import asyncio
import email
import email.policy
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from control_plane.deployers.local.placement import write_private
from control_plane.embedded.layout import EmbeddedError, Facts, Layout, Report, read_json

SLUG = "clinica-demo"
NAME = "Clínica Dental Demo"
OWNER = "ana@clinica-demo.example"
MODULES = ["agenda"]
PATIENTS = (
    ("Lucía", "Navarro Gil", "1988-03-14"),
    ("Mateo", "Iglesias Ferrer", "1975-11-02"),
    ("Carmen", "Ruiz Ortega", "1954-06-21"),
    ("Hugo", "Santos Vidal", "2015-09-30"),
    ("Sofía", "Molina Peña", "1996-01-17"),
)
REASONS = ("Revisión anual", "Limpieza", "Dolor en molar", "Primera visita", "Empaste")
OPERATION_SECONDS = 180.0
RUNTIME_SECONDS = 60.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Owner:
    email: str
    password: str


async def ensure_demo(layout: Layout, facts: Facts, report: Report) -> None:
    """The demonstration clinic, active, claimed and seeded. Raises EmbeddedError."""
    if read_json(layout.demo) is not None:
        return
    key = layout.operator_key.read_text(encoding="utf-8").strip()
    async with httpx2.AsyncClient(base_url=facts.api, headers={"Authorization": f"Bearer {key}"}, timeout=30) as api:
        tenant = await _provisioned(api, report)
    owner = Owner(OWNER, _password(layout))
    async with httpx2.AsyncClient(base_url=tenant["url"], timeout=RUNTIME_SECONDS) as clinic:
        await _sign_in(clinic, layout, owner)
        await _seed(clinic)
    report("Patients and appointments are in.")
    write_private(layout.demo, json.dumps({"url": tenant["url"], "email": owner.email, "password": owner.password}, indent=1))


async def _provisioned(api: httpx2.AsyncClient, report: Report) -> dict[str, Any]:
    found = await api.get(f"/v1/tenants/{SLUG}")
    # One that was deleted has given its name back; one that failed is taken up where it stopped.
    if found.status_code == 404 or (found.is_success and found.json()["state"] == "deleted"):
        report(f"Provisioning {NAME} …")
        new = {"name": NAME, "slug": SLUG, "country": "ES", "owner_email": OWNER, "modules": MODULES}
        created = await api.post("/v1/tenants", json=new, headers={"Idempotency-Key": secrets.token_urlsafe(16)})
        _check(created, "The demo clinic was refused")
    elif found.is_success and (failed := found.json()["operation"]) and failed["state"] == "failed":
        await api.post(f"/v1/operations/{failed['id']}/retry", headers={"Idempotency-Key": secrets.token_urlsafe(16)})
    begun = datetime.now(UTC)
    told: set[str] = set()
    while datetime.now(UTC) - begun < timedelta(seconds=OPERATION_SECONDS):
        tenant: dict[str, Any] = _check(await api.get(f"/v1/tenants/{SLUG}"), "The demo clinic cannot be read").json()
        if tenant["state"] == "active":
            return tenant
        operation = tenant.get("operation") or {}
        for step in operation.get("steps", []):
            if step["state"] == "done" and step["name"] not in told:
                told.add(step["name"])
                report(f"  {step['name']}")
        if operation.get("state") == "failed":
            raise EmbeddedError(f"The demo clinic could not be provisioned: {operation.get('reason')}")
        await asyncio.sleep(LOOK_SECONDS)
    raise EmbeddedError(
        f"The demo clinic was not active within {OPERATION_SECONDS:.0f} s; it is still being set up. "
        f"`bin/dentalpin-cloud tenants get {SLUG}` says more."
    )


def _password(layout: Layout) -> str:
    """Written down before it is used: a kill in between must not lock the owner out."""
    file = layout.keys / "demo.password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(12))
    return file.read_text(encoding="utf-8").strip()


async def _sign_in(clinic: httpx2.AsyncClient, layout: Layout, owner: Owner) -> None:
    """Sign the owner in; the first time through the mailed link, as a person would."""
    credentials = {"email": owner.email, "password": owner.password}
    answer = await clinic.post("/api/v1/auth/login", json=credentials)
    if answer.status_code != 200:
        token = await _mailed_token(layout, owner.email)
        form = {"token": token, "password": owner.password, "password_again": owner.password}
        done = await clinic.post("/welcome", data=form, follow_redirects=False)
        if done.status_code not in (200, 302, 303):
            raise EmbeddedError(f"The demo clinic's owner could not set a password: status {done.status_code}")
        clinic.cookies.clear()
        answer = _check(await clinic.post("/api/v1/auth/login", json=credentials), "The demo clinic's owner cannot sign in")
    clinic.headers["Authorization"] = f"Bearer {answer.json()['data']['access_token']}"


async def _mailed_token(layout: Layout, address: str) -> str:
    """The token in the newest mail to `address`; the mail may still be on its way."""
    begun = datetime.now(UTC)
    while datetime.now(UTC) - begun < timedelta(seconds=RUNTIME_SECONDS):
        for file in sorted(layout.mail.rglob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            body = message.get_body(("plain", "html"))
            if address in str(message["To"]) and body and (found := re.search(r"/welcome\?token=([\w.-]+)", body.get_content())):
                return found.group(1)
        await asyncio.sleep(LOOK_SECONDS)
    raise EmbeddedError(f"No invitation for {address} arrived in {layout.mail}.")


async def _seed(clinic: httpx2.AsyncClient) -> None:
    """Patients, and an appointment for each on the coming days."""
    there = _check(await clinic.get("/api/v1/patients"), "The demo clinic's patients cannot be read").json()
    if there["total"] >= len(PATIENTS):
        return
    me = _check(await clinic.get("/api/v1/auth/me"), "The demo clinic's owner is unknown").json()["data"]
    professional = (me.get("user") or me)["id"]
    cabinets = (await clinic.get("/api/v1/agenda/cabinets")).json().get("data") or [{}]
    # The clinic is in Madrid; ten in the morning UTC is within its hours the whole year.
    first = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)
    for number, (first_name, last_name, born) in enumerate(PATIENTS[there["total"] :], start=there["total"]):
        person = {"first_name": first_name, "last_name": last_name, "birth_date": born}
        made = _check(await clinic.post("/api/v1/patients", json=person), f"{first_name} was refused").json()["data"]
        starts = first + timedelta(days=number // 2, minutes=45 * (number % 2))
        appointment = {
            "patient_id": (made.get("patient") or made)["id"],
            "professional_id": professional,
            "cabinet_id": cabinets[0].get("id"),
            "starts_at": starts.isoformat(),
            "ends_at": (starts + timedelta(minutes=30)).isoformat(),
            "reason": REASONS[number],
        }
        _check(await clinic.post("/api/v1/agenda/appointments", json=appointment), f"{first_name}'s appointment was refused")


def _check(answer: httpx2.Response, otherwise: str) -> httpx2.Response:
    if not answer.is_success:
        raise EmbeddedError(f"{otherwise}: {answer.status_code} {answer.text[:500]}")
    return answer
