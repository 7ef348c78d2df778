"""What a runtime counts. Labels are names of ours (module, route template, event, job, outcome), never ids or values of a clinic.

What has to outlive a process is not counted here but read from its table when a scrape comes: see `readings`.
"""

from typing import Final

from dentalpin_kit.metrics import Counter, Durations, Instruments

REQUESTS: Final = Counter("dentalpin_http_requests", "Requests answered.", ("method", "route", "status"))
REQUEST_SECONDS: Final = Durations("dentalpin_http_request_seconds", "Time to answer a request, its body included.", ("method", "route"))
DELIVERIES: Final = Counter("dentalpin_event_deliveries", "Attempts to deliver an event to a handler.", ("module", "event", "outcome"))
JOBS: Final = Counter("dentalpin_job_runs", "Runs of a module's scheduled job.", ("module", "job", "outcome"))
STEPS: Final = Durations(
    "dentalpin_module_step_seconds", "Steps of the module processor in this process.", ("module", "operation", "step", "outcome")
)

INSTRUMENTS: Final = Instruments((REQUESTS, REQUEST_SECONDS, DELIVERIES, JOBS, STEPS))


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """A request was answered. `route` is its template (`/api/v1/patients/{patient_id}`), so that no id becomes a label."""
    REQUESTS.add(method, route, str(status))
    REQUEST_SECONDS.observe(seconds, method, route)


def count_delivery(module: str, event: str, outcome: str) -> None:
    """A handler was called: `done`, `failed` (it will be tried again) or `dead` (it will not)."""
    DELIVERIES.add(module, event, outcome)


def count_job(module: str, job: str, outcome: str) -> None:
    """A scheduled job ran: `done`, `failed`, or another word of the job runner."""
    JOBS.add(module, job, outcome)


def observe_step(module: str, operation: str, step: str, seconds: float, outcome: str) -> None:
    """A step of an install, upgrade or uninstall ended, `completed` or `failed`."""
    STEPS.observe(seconds, module, operation, step, outcome)
