"""What `./dev up`, `down`, `status`, `key`, and `bin/dentalpin` do."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from control_plane.deployers.local.environment import runtime_environment
from control_plane.deployers.local.placement import FILE as PLACEMENT
from control_plane.deployers.local.settings import PASSED_ON, announcement
from control_plane.embedded.layout import EmbeddedError, Facts, Layout, Options, read_json
from control_plane.embedded.running import is_running, leftovers, shown_processes, take_lock
from dentalpin_kit import logs

STOP_SECONDS = 90.0
WITHOUT_DEMO = 3
"""Exit status of `up --demo` when the platform runs and its demonstration clinic could not be made."""
CONSOLE_BYTES = 1_000_000
LAST_WORDS = 12
"""Lines of its log that are shown of a platform that died while it was started."""


def up(options: Options) -> int:
    """Start in the foreground and return after Ctrl-C: 0, or WITHOUT_DEMO when a demo was asked for and could not be made."""
    complete = True

    def ready(demo: bool) -> None:
        nonlocal complete
        complete = demo
        print("\nStop it with Ctrl-C.", flush=True)

    _run(options, print, ready)
    return 0 if complete else WITHOUT_DEMO


def up_detached(options: Options, arguments: list[str]) -> int:
    """Start a parent of its own and pass its progress on; return when it is ready (0), has given up (1), or runs WITHOUT_DEMO."""
    layout = Layout(options.data)
    layout.make()
    reading, writing = os.pipe()
    log_file = layout.logs / "platform.log"
    _rotate(log_file)
    with log_file.open("ab") as console:
        begun_at = console.tell()
        subprocess.Popen(
            [sys.executable, "-m", "control_plane.embedded", "up", "--report-to", str(writing), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            pass_fds=(writing,),
            start_new_session=True,
        )
    os.close(writing)
    ready = refused = False
    complete = True
    with os.fdopen(reading, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            if event["kind"] == "ready":
                ready, complete = True, event["complete"]
                break
            refused = event["kind"] == "error"
            print(event["text"], file=sys.stderr if refused else sys.stdout, flush=True)
    if ready:
        print(f"\nStop it with ./dev down{options.named_data}.")
    elif not refused:
        last = log_file.read_bytes()[begun_at:].decode(errors="replace").splitlines()[-LAST_WORDS:]
        print(f"DentalPin ended before it was ready. The end of {log_file}:", *last, sep="\n  ", file=sys.stderr)
    return 1 if not ready else 0 if complete else WITHOUT_DEMO


def _rotate(file: Path) -> None:
    """Put a console log that has grown aside. It holds only what a detached platform prints when it dies: rotating at a start is enough."""
    if file.exists() and file.stat().st_size > CONSOLE_BYTES:
        file.replace(file.with_name(f"{file.name}.1"))


def up_reporting(options: Options, descriptor: int) -> int:
    """The other side of `up_detached`: progress goes into the pipe as JSON lines, until it is ready."""

    def tell(kind: str, text: str = "", **more: bool) -> None:
        # Whoever started this may have left already; that is no reason to stop.
        with contextlib.suppress(OSError):
            os.write(descriptor, json.dumps({"kind": kind, "text": text, **more}).encode() + b"\n")

    def ready(demo: bool) -> None:
        nonlocal descriptor
        tell("ready", complete=demo)
        os.close(descriptor)
        descriptor = -1

    try:
        _run(options, lambda text: tell("progress", text), ready)
    except EmbeddedError as error:
        tell("error", str(error))
        return 1
    return 0


def _run(options: Options, report: Callable[[str], None], ready: Callable[[bool], None]) -> None:
    """Run the platform until it is stopped. `ready` is told whether everything asked for is there, the demo included."""
    # Imported here: the other commands are quick because they do without it.
    from control_plane.embedded.parent import Parent

    layout = Layout(options.data)
    layout.make()
    logs.configure(level=os.environ.get("DENTALPIN_LOG_LEVEL", "INFO"), file=layout.logs / "parent.log", process="parent")
    # Released by the kernel when this process is gone, and with it the sockets: whoever waits for the lock finds the ports free.
    take_lock(layout)

    def announce() -> None:
        for line in summary(layout):
            report(line)
        ready(parent.demo_problem is None)

    parent = Parent(options, report)
    asyncio.run(parent.run(announce))


def summary(layout: Layout) -> list[str]:
    facts = _facts(layout)
    lines = [
        "",
        "DentalPin is ready.",
        f"  Sign up a clinic   {facts.public_url}/",
        f"  API                {facts.api}/v1/docs",
        f"  First operator key {layout.operator_key}",
        f"  Mails land in      {layout.mail}",
        f"  Logs               {layout.logs}",
        f"  Billing            {_billing(layout)}",
    ]
    if facts.simulated_cluster:
        lines += [
            "",
            "  Clinics            in a SIMULATED cluster: nothing runs in its pods, and clinics' addresses do not answer",
            f"  kubectl            --kubeconfig {layout.simulated_kubeconfig}",
        ]
    if demo := read_json(layout.demo):
        from control_plane.embedded.demo import SLUG

        # Its address follows --host, PUBLIC_URL and taken ports, as every clinic's does.
        url = next((clinic["url"] for clinic in _clinics(layout) if clinic["slug"] == SLUG), demo["url"])
        lines += ["", f"  Demo clinic        {url}/", f"  sign in as         {demo['email']}, password {demo['password']}"]
    return lines


def _billing(layout: Layout) -> str:
    from control_plane.embedded import demo_billing

    if demo_billing.wanted(os.environ) and read_json(layout.demo_billing) is not None:
        return "a demonstration, no money moves; try the card 4242 4242 4242 4242"
    return "cards are charged for real, with the key from the environment"


def down(layout: Layout) -> None:
    """Stop the platform on this folder; also what a killed one left behind."""
    if is_running(layout):
        pid = int(layout.lock.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        _wait_until_free(layout, pid)
        print("DentalPin is stopped.")
        return
    server = leftovers(layout)
    if server is not None:
        server.stop()
        print("DentalPin was not running; the PostgreSQL it had left behind is stopped.")
    else:
        print(f"DentalPin does not run on {layout.data}.")


def _wait_until_free(layout: Layout, pid: int) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if not is_running(layout):
            return
        time.sleep(0.05)
    raise EmbeddedError(f"Process {pid} did not stop within {STOP_SECONDS:.0f} s; see {layout.logs}. `kill -9 {pid}` is safe.")


def status(layout: Layout) -> dict[str, Any]:
    facts = Facts.read(layout)
    running = is_running(layout)
    known = shown_processes(layout) if running else {"state": "stopped", "processes": []}
    server = leftovers(layout) if not running else None
    found: dict[str, Any] = {
        "running": running,
        "state": known["state"],
        "data": str(layout.data),
        "api": facts.api if facts else None,
        "public_url": facts.public_url if facts else None,
        "key_file": str(layout.operator_key),
        "mail": str(layout.mail),
        "logs": str(layout.logs),
        "postgres_data": str(_postgres_folder(layout)),
        "runtime_env": facts.runtime_env if facts else None,
        "processes": known["processes"] if server is None else [{"name": "postgres", "pid": server.pid(), "restarts": 0}],
        "clinics": _clinics(layout) if running else [],
        "simulated_cluster": str(layout.simulated_kubeconfig) if facts and facts.simulated_cluster else None,
    }
    return found


def show_status(layout: Layout) -> None:
    found = status(layout)
    if not found["running"]:
        print(f"DentalPin does not run on {layout.data}. Start it with ./dev up.")
        return
    print(f"DentalPin is {found['state']}.")
    for title, key in (
        ("Sign-up and pages", "public_url"),
        ("API", "api"),
        ("Operator key", "key_file"),
        ("Mails", "mail"),
        ("Data", "data"),
        ("PostgreSQL's data", "postgres_data"),
        ("Clinics' Python", "runtime_env"),
        ("Logs", "logs"),
    ):
        print(f"  {title:<18} {found[key]}")
    if found["simulated_cluster"]:
        print(f"  {'Clinics':<18} in a simulated cluster, in whose pods nothing runs: kubectl --kubeconfig {found['simulated_cluster']}")
    for process in found["processes"]:
        again = f", started again {process['restarts']} times" if process["restarts"] else ""
        print(f"  {process['name']:<18} process {process['pid']}{again}")
    for clinic in found["clinics"]:
        print(f"  {clinic['slug']:<18} {clinic['url']} ({clinic['state']})")


def _postgres_folder(layout: Layout) -> Any:
    from dentalpin_kit.postgres import EmbeddedServer, PostgresError

    try:
        return EmbeddedServer(layout.postgres).home
    except PostgresError:
        return layout.postgres


def _clinics(layout: Layout) -> list[dict[str, Any]]:
    """What the supervisor keeps; nothing while it is being started again."""
    import httpx2

    found = read_json(announcement(layout.data))
    if found is None:
        return []
    try:
        answer = httpx2.get(f"{found['url']}/tenants", headers={"Authorization": f"Bearer {found['token']}"}, timeout=5)
    except httpx2.HTTPError:
        return []
    return [{key: tenant[key] for key in ("id", "slug", "url", "state", "processes")} for tenant in answer.json()]


def make_key(layout: Layout, name: str) -> str:
    """Another operator key; it is shown once and stored nowhere."""
    import httpx2

    facts = _facts(layout)
    key = layout.operator_key.read_text(encoding="utf-8").strip()
    try:
        answer = httpx2.post(f"{facts.api}/v1/keys", headers={"Authorization": f"Bearer {key}"}, json={"name": name}, timeout=10)
    except httpx2.HTTPError as error:
        raise EmbeddedError("DentalPin does not answer. Start it with ./dev up.") from error
    if not answer.is_success:
        raise EmbeddedError(f"The API refused: {answer.json().get('detail', answer.text)}")
    return str(answer.json()["key"])


def _facts(layout: Layout) -> Facts:
    facts = Facts.read(layout)
    if facts is None:
        raise EmbeddedError(f"No platform was ever started on {layout.data}. Start one with ./dev up, or name its folder with --data.")
    return facts


def clinic(layout: Layout, slug: str | None, arguments: list[str]) -> NoReturn:
    """Become the runtime's `dentalpin` with one tenant's environment. Raises EmbeddedError when it is not clear whose."""
    facts = _facts(layout)
    tenants = {
        placed["slug"]: (file.parent, placed.get("environment"))
        for file in layout.tenants.glob(f"*/{PLACEMENT}")
        if (placed := read_json(file))
    }
    listed = ", ".join(sorted(tenants)) or "none"
    if slug is None and len(tenants) != 1:
        raise EmbeddedError(f"Which clinic? Name it with --tenant. There are: {listed}.")
    found = tenants.get(slug) if slug is not None else next(iter(tenants.values()))
    if found is None:
        raise EmbeddedError(f"There is no clinic {slug!r} on {layout.data}. There are: {listed}.")
    folder, environment_of_release = found
    program = Path(environment_of_release or facts.runtime_env) / "bin" / "dentalpin"
    passed_on = {name: os.environ[name] for name in (*PASSED_ON, "TERM", "COLUMNS") if name in os.environ}
    if bindir := _client_programs(layout):
        # `modules restore` needs programs as new as the server that is part of the platform; the machine's own may be older.
        passed_on.setdefault("PG_BINDIR", bindir)
    environment = runtime_environment(folder, program, passed_on)
    os.execve(program, [str(program), *arguments], environment)  # noqa: S606 - this is what the command is for


def _client_programs(layout: Layout) -> str | None:
    """The programs of the embedded server; None where the platform uses a server of somebody else's."""
    from dentalpin_kit.postgres import EmbeddedServer, PostgresError

    if not layout.postgres.exists():
        return None
    try:
        return str(EmbeddedServer(layout.postgres).binaries.bindir)
    except PostgresError:
        return None


def cloud(layout: Layout, arguments: list[str]) -> NoReturn:
    """Become `dentalpin-cloud`, pointed at this platform with its first operator key."""
    facts = _facts(layout)
    environment = os.environ | {
        "DENTALPIN_CLOUD_URL": os.environ.get("DENTALPIN_CLOUD_URL", facts.api),
        "DENTALPIN_CLOUD_KEY_FILE": os.environ.get("DENTALPIN_CLOUD_KEY_FILE", str(layout.operator_key)),
    }
    os.execve(sys.executable, [sys.executable, "-m", "control_plane.cli", *arguments], environment)  # noqa: S606 - as above
