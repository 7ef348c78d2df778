"""A clinic that is read-only: its modules are looked at, and not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from app.testing.clinics import TwoClinics
from app.testing.operations import ModuleOperations

from .subject import Subject

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI


async def test_a_read_only_clinic_is_looked_at_and_not_changed(
    subject: Subject, populated: httpx2.AsyncClient, runtime: FastAPI, operations: ModuleOperations, two_clinics: TwoClinics
) -> None:
    """A GET that writes is found here: the transaction is read-only. `app.core.modes` marks routes that are not what their method says."""
    from app.core.modes import Mode, ModeReadOnly, kind_of

    before = await subject.rows(operations)
    runtime.state.mode = Mode.READ_ONLY

    for route in subject.guarded:
        url = route.url(subject.name, uuid4())
        answer = await populated.request(route.method, url, headers=two_clinics.a.headers, json=route.body)
        refused = answer.status_code == 403 and ModeReadOnly.code in answer.text
        kind = kind_of(route.endpoint, route.method)
        assert refused is (kind == "write"), f"{route.name}, which is a {kind}, answers {answer.status_code} in a read-only clinic"
        assert answer.status_code < 500, f"{route.name}: {answer.status_code} {answer.text}"

    assert await subject.rows(operations) == before
