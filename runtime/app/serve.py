"""`dentalpin serve`: from nothing to a serving process, in two stages with one process id.

The first stage asks whether boot has anything to do (`quick_check`), boots as owner if so (`app.boot`), and replaces itself by the second,
which never had the owner's credentials. Imports stand inside functions: a waking process pays for what it uses, and the first stage
usually needs nothing but a database connection.

Exit status: 0 after a drain or when idle, 1 when it cannot serve, 3 when an older process should go on serving, 75 for a restart.
"""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NoReturn

from app.core.copies.guard import protect
from app.core.runtime.environment import Environment, status_fd, without_owner
from app.core.runtime.errors import BootFailed, ModulesNotAsAsked, RevisionOlder
from app.core.runtime.leaving_word import leave_word
from app.core.runtime.status import StatusChannel
from dentalpin_kit import logs, tracing
from dentalpin_kit.problems import DomainError

logger = logging.getLogger("app.serve")

EXIT_FAILED: Final = 1
EXIT_KEEP_OLD: Final = 3
EXIT_INTERRUPTED: Final = 130
SERVICE: Final = "dentalpin-runtime"
"""What traces call this program, unless OTEL_SERVICE_NAME says otherwise."""
SERVE_STAGE: Final = ("--stage", "serve")


def main(arguments: Sequence[str] = ()) -> int:
    """Run the stage the arguments ask for. Does not return from the first stage unless it fails."""
    status = StatusChannel(status_fd(os.environ))
    try:
        if tuple(arguments) == SERVE_STAGE:
            return _serve(status)
        _boot(status)
    except ModulesNotAsAsked as error:
        return _failed(status, error, EXIT_KEEP_OLD)
    except DomainError as error:
        return _failed(status, error, EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except ProcessLookupError as error:
        logger.error("%s; leaving", error)
        return EXIT_FAILED
    except Exception as error:
        logger.exception("this runtime cannot start")
        status.failed("boot_failed", logs.scrub(_in_one_line(error)))
        return EXIT_FAILED
    finally:
        tracing.shut_down()


def _in_one_line(error: Exception) -> str:
    """What happened, without the statement and its values that SQLAlchemy adds on further lines."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]


def _failed(status: StatusChannel, error: DomainError, exit_status: int) -> int:
    logger.error("%s", error.message)
    status.failed(error.code, logs.scrub(error.message))
    return exit_status


def _boot(status: StatusChannel) -> NoReturn:
    environment = Environment.read(os.environ)
    logs.configure(level=environment.log_level, file=environment.log_file)
    if not protect():
        tracing.configure(SERVICE, os.environ, process="boot")
    _stay_with(environment.parent_pid)
    status.step("check")
    remover = None
    if not environment.prepared and not asyncio.run(_nothing_to_do(environment)):
        from app import boot

        prepared = asyncio.run(boot.prepare(environment, status))
        if prepared.removals:
            remover = boot.start_remover()
    _replace_by_serving_stage(remover)


def prepare() -> int:
    """`dentalpin prepare`: boot alone, for an init container; the processes that serve start once it ended well.

    What is to be removed waits for `dentalpin modules process --removals`. A revision older than the one adopted is left to serve what
    is there: a pod that starts again during a roll-out is no reason to go back. Exit status as of `serve`; why goes to the report file.
    """
    status, report = StatusChannel(None), None
    try:
        environment = replace(Environment.read(os.environ), keep_old=True)
        report = environment.report_file
        logs.configure(level=environment.log_level, file=environment.log_file)
        if not protect():
            tracing.configure(SERVICE, os.environ, process="prepare")
        if not asyncio.run(_nothing_to_do(environment)):
            from app import boot

            asyncio.run(boot.prepare(environment, status))
    except RevisionOlder as error:
        logger.warning("%s; this process will serve what is there", error.message)
    except DomainError as error:
        leave_word(report, error.code, error.message)
        return _failed(status, error, EXIT_KEEP_OLD if isinstance(error, ModulesNotAsAsked) else EXIT_FAILED)
    except Exception as error:
        logger.exception("this database cannot be prepared")
        leave_word(report, "boot_failed", _in_one_line(error))
        return EXIT_FAILED
    finally:
        tracing.shut_down()
    return 0


async def _nothing_to_do(environment: Environment) -> bool:
    from app.core.runtime.quick_check import nothing_to_do
    from app.core.runtime.raw_revision import identity_in

    identity = identity_in(environment.revision_file) if environment.revision_file is not None else None
    return await nothing_to_do(environment.database_url, identity)


def _replace_by_serving_stage(remover_pid: int | None) -> NoReturn:
    variables = without_owner(os.environ)
    if remover_pid is not None:
        variables["DENTALPIN_REMOVER_PID"] = str(remover_pid)
    tracing.shut_down()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", "app.serve", *SERVE_STAGE], variables)  # noqa: S606  no shell is wanted here


def _serve(status: StatusChannel) -> int:
    # What is imported from here on stays; the stage turns collection on again once it serves.
    gc.disable()
    from app.core.runtime.settings import read_settings
    from app.core.runtime.stage import run

    settings = read_settings()
    logs.configure(level=settings.log_level, file=settings.log_file)
    if not protect():
        tracing.configure(SERVICE, os.environ, process="serve")
    _stay_with(settings.parent_pid)
    if settings.secret_key is None:
        raise BootFailed("DENTALPIN_SECRET_KEY (or DENTALPIN_SECRET_KEY_FILE) is not set; make one with `openssl rand -base64 48`")
    return run(settings, status)


def _stay_with(parent_pid: int | None) -> None:
    """A supervised process ends with its supervisor; a stand-alone one has none to end with."""
    if parent_pid is not None:
        from dentalpin_kit.processes import die_with_parent

        die_with_parent(parent_pid)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
