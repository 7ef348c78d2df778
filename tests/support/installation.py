"""A whole platform on this machine, started as `./dev up` starts it, in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]


class Platform:
    """`up`, `down` and `kill` the platform under `data`; `api` speaks /v1 as its operator."""

    def __init__(self, data: Path, runtime_env: Path, *, postgres_bindir: Path | None = None, **environment: str) -> None:
        self.data = data
        self.runtime_env = runtime_env
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.environment = {**kept, **environment}
        if postgres_bindir is not None:
            self.environment["PG_BINDIR"] = str(postgres_bindir)

    def command(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "control_plane.embedded", *arguments, "--data", str(self.data)],
            cwd=ROOT,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.logs()}"
        return done

    def up(self, *options: str, **environment: str) -> "Platform":
        self.command("up", "--detach", "--runtime-env", str(self.runtime_env), *options, **environment)
        return self

    def down(self) -> None:
        self.command("down")

    def status(self) -> Json:
        return json.loads(self.command("status", "--json").stdout)

    def pid(self, name: str) -> int:
        """The process `name` (platform, postgres, supervisor, api, worker)."""
        return int(next(process["pid"] for process in self.status()["processes"] if process["name"] == name))

    def kill(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGKILL)

    @property
    def api(self) -> httpx2.Client:
        status = self.status()
        key = Path(status["key_file"]).read_text().strip()
        return httpx2.Client(base_url=status["api"], headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in sorted(self.data.glob("logs/*.log")))

    def dentalpin(self, slug: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What `bin/dentalpin --tenant SLUG …` does, in the environment the tests run in."""
        command = [sys.executable, "-m", "control_plane.embedded", "clinic", "--data", str(self.data), "--tenant", slug, *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120, check=False)


def wait_for(condition: Callable[[], Any], what: str, *, seconds: float = 60.0) -> Any:
    """The first true answer of `condition`, asked again and again; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def send(call: Callable[[], httpx2.Response]) -> httpx2.Response:
    """Repeat a call that can safely be repeated while the other side is being restarted."""

    def answered() -> httpx2.Response | None:
        try:
            answer = call()
        except httpx2.TransportError:
            return None
        return None if answer.status_code == 503 else answer

    found: httpx2.Response = wait_for(answered, "the platform answers")
    return found


def create_tenant(api: httpx2.Client, **fields: Any) -> Json:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"name": "Clínica Sol", "country": "ES", "owner_email": "ana@example.com", "modules": ["agenda"], **fields}
    answer = send(lambda: api.post("/v1/tenants", json=body, headers=headers))
    assert answer.status_code == 202, answer.text
    return answer.json()


def finished(api: httpx2.Client, operation: Json, *, seconds: float = 180.0) -> Json:
    """The operation once it has ended; it must have succeeded."""

    def ended() -> Json | None:
        found: Json = send(lambda: api.get(f"/v1/operations/{operation['id']}")).json()
        return found if found["state"] in {"succeeded", "failed", "cancelled", "superseded"} else None

    found: Json = wait_for(ended, f"operation {operation['id']} ends", seconds=seconds)
    assert found["state"] == "succeeded", json.dumps(found, indent=1)
    return found


def change_modules(api: httpx2.Client, slug: str, *modules: str) -> Json | None:
    """Ask for `modules` and wait; None when nothing had to change."""
    answer = send(lambda: api.put(f"/v1/tenants/{slug}/modules", json={"modules": list(modules)}))
    assert answer.status_code in (200, 202), answer.text
    return finished(api, answer.json()["operation"]) if answer.status_code == 202 else None


def welcome_link(data: Path, email: str) -> str:
    """The one-time link in the newest mail to `email`."""
    for mail in sorted((data / "mail").rglob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        text = mail.read_text(encoding="utf-8", errors="replace").replace("=\n", "").replace("=3D", "=")
        if email in text and (found := re.search(r"https?://\S+/welcome\?token=[\w.-]+", text)):
            return found.group()
    raise AssertionError(f"no mail to {email} with a link in {data / 'mail'}")


def sign_in(data: Path, url: str, email: str = "ana@example.com", password: str = "correct horse battery staple") -> httpx2.Client:
    """A client of the clinic's runtime, signed in as its owner; the password is set through the mailed link at the first time."""
    client = httpx2.Client(base_url=url, timeout=30)
    answer = client.post("/api/v1/auth/login", json={"email": email, "password": password})
    if answer.status_code != 200:
        link = welcome_link(data, email)
        page = client.get(link)
        assert page.status_code == 200, page.text
        fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        done = client.post(str(page.url), data={**fields, "password": password, "password_again": password}, follow_redirects=True)
        assert done.status_code == 200, done.text
        client = httpx2.Client(base_url=url, timeout=30)
        answer = client.post("/api/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['data']['access_token']}"
    return client
