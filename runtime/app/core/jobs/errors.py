"""What can be wrong with a job, or with asking for one."""

from dentalpin_kit.problems import DomainError


class JobInvalid(DomainError):
    """A module describes a job that cannot be run or scheduled."""

    status = 500
    code = "job_invalid"

    def __init__(self, module: str, job: str, reason: str) -> None:
        super().__init__(f"The job {job!r} of {module} cannot be scheduled: {reason}.", module=module, job=job)


class JobUnknown(DomainError):
    status = 404
    code = "job_unknown"

    def __init__(self, module: str, job: str) -> None:
        super().__init__(
            f"{module} has no job {job!r} here. GET /api/v1/jobs (or `dentalpin jobs list`) shows those there are.", module=module, job=job
        )


class JobRunning(DomainError):
    status = 409
    code = "job_running"

    def __init__(self, module: str, job: str) -> None:
        super().__init__(
            f"{job!r} of {module} is running at this moment; look at its runs, and ask again once it ended.", module=module, job=job
        )


class JobOfTheTenant(DomainError):
    status = 403
    code = "job_of_the_tenant"

    def __init__(self, module: str, job: str) -> None:
        super().__init__(
            f"{job!r} of {module} runs once for all clinics; ask the person this runtime belongs to to run or pause it.",
            module=module,
            job=job,
        )
