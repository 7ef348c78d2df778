"""Work of modules that comes round by itself: a module says what and when (`ScheduledJob`), the core runs it once per clinic.

`schedule` keeps the books (tables `core_job` and `core_job_run`), `runner` runs what is due, `service` is what people see and ask for.
"""

from .scheduled import JobContext, ScheduledJob

__all__ = ["JobContext", "ScheduledJob"]
