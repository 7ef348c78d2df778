"""Whatever is sent to the platform, it answers as it announces, and never with a failure of its own."""

import asyncio
import dataclasses
from collections import Counter
from ipaddress import ip_address

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from control_plane.access.service import create_key
from control_plane.main import create_app
from control_plane.webhooks.sending import Sender

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FEW = 2
"""Examples per operation and kind of input."""
WITHOUT_END = ("/v1/operations/{operation_id}/events", "/v1/operations/events")
"""Streams: asked about things that exist they go on until somebody leaves."""
ENDS_THE_REST = ("/v1/releases/{release_id}/yank", "/v1/releases/{release_id}/channel")
"""Without a release nothing can be planned, and everything answers 503."""
ASKS_A_RUNTIME = ("/v1/tenants/{slug}/idle-slots",)
"""There is none behind the tenant of this test: the right answer is 503, which a fuzzer takes for a failure."""
# pytest turns warnings into errors; schemathesis warns of what it cannot generate for a schema.
pytestmark = pytest.mark.filterwarnings("default")


async def no_network(host, port):
    return [ip_address("93.184.216.34")]


@pytest.fixture
async def serving(platform):
    """The API on a port of this event loop, with a tenant, an operation and a webhook that exist."""
    platform = dataclasses.replace(platform, sender=Sender(resolver=no_network))
    async with platform.database.transaction() as session:
        _, key = await create_key(session, "tests", at=platform.clock.now())
    server = uvicorn.Server(uvicorn.Config(create_app(platform), port=0, log_config=None))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn tells by a flag, not by an event
        await asyncio.sleep(0)
    base = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield base, {"Authorization": f"Bearer {key}"}
    server.should_exit = True
    await task


class Api:
    def __init__(self, base, headers):
        self.base, self.headers = base, headers
        document = requests.get(f"{base}/v1/openapi.json", timeout=30).json()
        self.schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
        self.statuses = Counter()
        self.known = {}
        if headers:
            body = {"name": "Sol", "slug": "sol", "country": "ES", "owner_email": "ana@sol.example", "modules": ["agenda"]}
            made = requests.post(f"{base}/v1/tenants", json=body, headers=headers, timeout=30).json()
            webhook = requests.post(f"{base}/v1/webhooks", json={"url": "https://hooks.example/"}, headers=headers, timeout=30).json()
            known = {"slug": "sol", "operation_id": made["operation"]["id"], "tenant_id": made["tenant"]["id"], "webhook_id": webhook["id"]}
            self.known = {**known, "release_id": made["tenant"]["desired"]["release"], "modules": ["agenda"], "country": "ES"}

    def call(self, case):
        for name in [name for name in case.headers if name.lower() == "authorization"]:
            del case.headers[name]
        case.headers.update(self.headers)
        # Half of the calls are about something that exists, or no route would be seen from inside.
        if self.statuses.total() % 2 and case.operation.path not in (*WITHOUT_END, *ENDS_THE_REST, *ASKS_A_RUNTIME):
            for given_values in (case.path_parameters, case.query, case.body):
                if isinstance(given_values, dict):
                    given_values.update({name: self.known[name] for name in given_values if name in self.known})
        answer = case.call(base_url=self.base, timeout=30)
        self.statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    def explore(self, operation, mode, examples):
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
        def run(case):
            self.call(case)

        try:
            run()
        except Unsatisfiable:
            # Every input there is would be valid: nothing to refuse.
            assert mode is GenerationMode.NEGATIVE, operation.label
        except FailureGroup as failures:
            return f"{operation.label}: " + "; ".join(f"{failure.title}: {failure.message}"[:600] for failure in failures.exceptions)
        return None

    def explore_all(self, examples):
        """Who is nobody is turned away before input is looked at: bad input would tell nothing more."""
        modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if self.headers else (GenerationMode.POSITIVE,)
        found = []
        for each in self.schema.get_all_operations():
            operation = each.ok()
            takes = operation.body or operation.path_parameters or operation.query
            if operation.path == WITHOUT_END[1]:
                continue
            for mode in modes if takes else modes[:1]:
                found.append(self.explore(operation, mode, examples if takes else 1))
        return [problem for problem in found if problem is not None]


@pytest.mark.parametrize("signed_in", [True, False], ids=["operator", "nobody"])
@pytest.mark.parametrize("examples", [FEW, pytest.param(30 * FEW, marks=pytest.mark.full)])
@pytest.mark.timeout(1800)
async def test_no_input_is_answered_with_a_failure_or_with_what_is_not_announced(serving, signed_in, examples):
    base, headers = serving
    api = await asyncio.to_thread(Api, base, headers if signed_in else {})

    wrong = await asyncio.to_thread(api.explore_all, examples if signed_in else 1)

    assert not wrong, "\n".join(wrong)
    # The input is good enough to reach the routes themselves, and bad enough to be refused.
    assert {200, 404, 422} <= api.statuses.keys() if signed_in else {401} <= api.statuses.keys(), api.statuses
