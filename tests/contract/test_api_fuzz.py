"""Every operation of the runtime's OpenAPI document, called with generated input: no 5xx, and nothing the document does not announce.

The input is derived from the document by schemathesis, with a fixed seed. `--full` asks for ten times as much of it.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from app.core.auth.passwords import Passwords
from tests.support.runtime_process import TenantRuntime

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EMAIL, PASSWORD = "admin@clinica-sol.example", "correct horse battery staple"
FEW = 3
"""Examples per operation and kind of input: bounded, so that the run stays a minute or two."""
ENDS_THE_SESSION = ("/api/v1/auth/", "/api/v1/account", "/api/v1/users")
# pytest turns warnings into errors; schemathesis warns of what it cannot generate for a schema.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
async def serving(runtime):
    """A process serving patients and agenda, with an administrator who has a password."""
    hashed = await Passwords(memory_kib=8, rounds=1, lanes=1).hash(PASSWORD)
    connection = await asyncpg.connect(runtime.database.owner_url)
    clinic = await connection.fetchval("SELECT id FROM clinics")
    user = await connection.fetchval("INSERT INTO users (email, password_hash) VALUES ($1, $2) RETURNING id", EMAIL, hashed)
    await connection.execute("INSERT INTO memberships (user_id, clinic_id, role) VALUES ($1, $2, 'admin')", user, clinic)
    patient = await connection.fetchval(
        "INSERT INTO patients (clinic_id, first_name, last_name, sort_name, search_text) "
        "VALUES ($1, 'Ana', 'García', 'garcia ana', 'ana garcia') RETURNING id",
        clinic,
    )
    cabinet = await connection.fetchval("SELECT id FROM cabinets LIMIT 1")
    await connection.close()
    await runtime.serve()
    known = {"clinic_id": clinic, "patient_id": patient, "professional_id": user, "user_id": user, "cabinet_id": cabinet}
    return Serving(runtime, {name: str(value) for name, value in known.items()})


@dataclass(frozen=True)
class Serving:
    runtime: TenantRuntime
    known: dict[str, str]
    """Ids that exist, by the name under which operations take them."""


class Api:
    """The document of a serving runtime, and one session with it."""

    def __init__(self, serving: Serving, *, signed_in: bool) -> None:
        host, port = serving.runtime.address
        self.known = serving.known
        self.base = f"http://{host}:{port}"
        document = requests.get(f"{self.base}/api/v1/openapi.json", timeout=30).json()
        self.schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
        self.signed_in = signed_in
        self.headers: dict[str, str] = {}
        self.statuses: Counter[int] = Counter()

    def operations(self) -> Iterator[schemathesis.APIOperation]:
        for found in self.schema.get_all_operations():
            yield found.ok()

    def sign_in(self) -> None:
        """A session that lives: some operations end the one they are called with."""
        if not self.signed_in:
            return
        me = requests.get(f"{self.base}/api/v1/auth/me", headers=self.headers, timeout=30)
        if not self.headers or me.status_code == 401:
            answer = requests.post(f"{self.base}/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD}, timeout=30)
            assert answer.status_code == 200, answer.text
            token = answer.json()["data"]["access_token"]
            self.headers = {"Authorization": f"Bearer {token}", "X-Clinic-Id": self.known["clinic_id"]}

    def call(self, case: schemathesis.Case) -> None:
        if self.signed_in and case.operation.path.startswith(ENDS_THE_SESSION):
            self.sign_in()
        # What was generated as a credential would only test signing in once more.
        for name in [name for name in case.headers if name.lower() in ("authorization", "x-clinic-id")]:
            del case.headers[name]
        case.headers.update(self.headers)
        if self.statuses.total() % 2:
            # Half of the calls are about something that exists, or no route would be seen from inside.
            for given in (case.path_parameters, case.query, case.body):
                self._make_known(given)
        answer = case.call(base_url=self.base, timeout=30)
        self.statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    def _make_known(self, given: Any) -> None:
        if isinstance(given, dict):
            given.update({name: self.known[name] for name in given if name in self.known})

    def explore(self, operation: schemathesis.APIOperation, mode: GenerationMode, examples: int) -> str | None:
        """Call the operation with that much input; what was wrong with an answer, None if nothing."""

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case: schemathesis.Case) -> None:
            self.call(case)

        self.sign_in()
        try:
            run()
        except Unsatisfiable:
            # Every input there is would be valid: nothing to refuse.
            assert mode is GenerationMode.NEGATIVE, operation.label
        except FailureGroup as failures:
            return f"{operation.label}: " + "; ".join(f"{failure.title}: {failure.message}"[:600] for failure in failures.exceptions)
        return None


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "nobody"])
@pytest.mark.parametrize("examples", [FEW, pytest.param(10 * FEW, marks=pytest.mark.full)])
@pytest.mark.timeout(3600)
async def test_no_input_is_answered_with_a_failure_or_with_what_is_not_announced(serving, signed_in, examples):
    api = Api(serving, signed_in=signed_in)
    api.sign_in()

    wrong = [
        problem
        for operation in api.operations()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        if (problem := explored(api, operation, mode, examples)) is not None
    ]

    assert not wrong, "\n".join(wrong)
    assert api.statuses.total() > 20 * examples
    # The input is good enough to reach the routes themselves, and bad enough to be refused.
    assert {200, 404, 422} <= api.statuses.keys() if signed_in else {401, 422} <= api.statuses.keys(), api.statuses


def explored(api, operation, mode, examples):
    """Operations without any input have nothing to be wrong about."""
    takes = operation.body or operation.path_parameters or operation.query
    if mode is GenerationMode.NEGATIVE and not takes:
        return None
    return api.explore(operation, mode, examples if takes else 1)


async def test_every_operation_announces_the_errors_of_the_core(serving):
    document = Api(serving, signed_in=False).schema.raw_schema
    booking = document["paths"]["/api/v1/agenda/appointments"]["post"]["responses"]

    assert {"401", "403"} <= document["paths"]["/api/v1/patients"]["get"]["responses"].keys()
    assert "security" not in document["paths"]["/api/v1/patients"]["get"]
    assert "410" in document["paths"]["/api/v1/auth/password/reset"]["post"]["responses"]
    assert {"201", "400", "401", "403", "409", "413", "422", "503"} <= booking.keys()
    assert "429" in document["paths"]["/api/v1/auth/login"]["post"]["responses"]
    assert document["paths"]["/api/v1/auth/login"]["post"]["security"] == []
    assert json.dumps(document).count("HTTPValidationError") > 100
