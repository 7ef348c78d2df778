"""Speaking to the API: where it is, with which key, and what a refusal looks like to a person."""

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from control_plane.embedded.layout import Facts, Layout

TIMEOUT_SECONDS = 60.0
Json = dict[str, Any]


class CommandFailed(Exception):
    """Ends the command with its message; `body` is what the API answered, for --json."""

    def __init__(self, message: str, body: Json | None = None) -> None:
        super().__init__(message)
        self.body = body


@dataclass(frozen=True, slots=True)
class Target:
    """The API and the key to use there."""

    url: str
    key: str

    @classmethod
    def find(cls, url: str | None, key: str | None, key_file: Path | None, data: Path | None) -> "Target":
        """From flags, then DENTALPIN_CLOUD_URL, _KEY and _KEY_FILE, then the platform of a data folder. Raises CommandFailed."""
        layout = Layout((data or Path(os.environ.get("DENTALPIN_DATA", "var"))).absolute())
        url = url or os.environ.get("DENTALPIN_CLOUD_URL")
        if url is None:
            facts = Facts.read(layout)
            if facts is None:
                raise CommandFailed(
                    f"No platform was started on {layout.data}. Name it with --url, DENTALPIN_CLOUD_URL or --data, or run ./dev up."
                )
            url = facts.api
        key = key or os.environ.get("DENTALPIN_CLOUD_KEY")
        if key is None:
            named = key_file or Path(os.environ.get("DENTALPIN_CLOUD_KEY_FILE", layout.operator_key))
            try:
                key = named.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise CommandFailed(f"No operator key: {named} cannot be read ({error.strerror}). Name another with --key-file.") from error
        return cls(url.rstrip("/"), key)


class Api:
    def __init__(self, target: Target, transport: httpx2.BaseTransport | None = None) -> None:
        self._target = target
        self._client = httpx2.Client(
            base_url=target.url, headers={"Authorization": f"Bearer {target.key}"}, timeout=TIMEOUT_SECONDS, transport=transport
        )

    def call(self, method: str, path: str, body: Json | None = None, **query: Any) -> Json:
        """The JSON answer. A POST carries an Idempotency-Key and is sent once more if its answer was lost. Raises CommandFailed."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method == "POST" else {}
        asked = {name: value for name, value in query.items() if value is not None}
        for attempt in (1, 2):
            try:
                answer = self._client.request(method, path, json=body, params=asked, headers=headers)
            except httpx2.TransportError as error:
                if attempt == 2 or isinstance(error, httpx2.ConnectError):
                    raise CommandFailed(f"{self._target.url} does not answer ({type(error).__name__}). Is the platform up?") from error
                continue
            break
        found = _json(answer)
        if not answer.is_success:
            raise CommandFailed(str(found.get("detail") or f"{answer.status_code} {answer.text[:300]}"), found)
        return found

    def download(self, path: str, file: Path, **query: Any) -> int:
        """Write an answer to a file, whole or not at all; its size. Raises CommandFailed."""
        asked = {name: value for name, value in query.items() if value is not None}
        draft = file.with_name(f".{file.name}.part")
        try:
            with self._client.stream("GET", path, params=asked) as answer:
                if not answer.is_success:
                    answer.read()
                    raise CommandFailed(str(_json(answer).get("detail") or answer.status_code), _json(answer))
                with draft.open("wb") as stream:
                    for part in answer.iter_bytes():
                        stream.write(part)
        except httpx2.TransportError as error:
            draft.unlink(missing_ok=True)
            raise CommandFailed(f"The connection to {self._target.url} was lost ({type(error).__name__}). Try again.") from error
        draft.replace(file)
        return file.stat().st_size

    def lines(self, path: str, **query: Any) -> Iterator[str]:
        """The lines of an answer that may be long, as they come. Raises CommandFailed."""
        try:
            asked = {name: value for name, value in query.items() if value is not None}
            with self._client.stream("GET", path, params=asked) as answer:
                if not answer.is_success:
                    answer.read()
                    raise CommandFailed(str(_json(answer).get("detail") or answer.status_code), _json(answer))
                yield from answer.iter_lines()
        except httpx2.TransportError as error:
            raise CommandFailed(f"The connection to {self._target.url} was lost ({type(error).__name__}). Try again.") from error

    def watch(self, operation_id: str) -> Iterator[Json]:
        """The operation, each time it has changed, until it is over. Raises CommandFailed."""
        try:
            with self._client.stream("GET", f"/v1/operations/{operation_id}/events", timeout=httpx2.Timeout(TIMEOUT_SECONDS)) as answer:
                if not answer.is_success:
                    answer.read()
                    raise CommandFailed(str(_json(answer).get("detail") or answer.status_code), _json(answer))
                event = ""
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "event":
                        event = value
                    elif name == "data" and event in ("operation", ""):
                        yield json.loads(value)
                    elif not line:
                        event = ""
        except httpx2.TransportError as error:
            raise CommandFailed(f"The connection to {self._target.url} was lost. Watch again: operations watch {operation_id}") from error


def _json(answer: httpx2.Response) -> Json:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {"items": found}
