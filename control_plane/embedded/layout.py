"""Where `./dev up` keeps everything: one data folder per platform, private to its owner.

platform.json   ports and addresses, kept from the first start on
run/            lock and processes of the running platform
keys/           passwords, the signing key, the first operator key (0600 each)
postgres/ tenants/ backups/ mail/ logs/ runtime-env/ demo-billing/
"""

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from control_plane.deployers.local.placement import write_private

ROOT = Path(__file__).parents[2]
"""The checkout this platform runs from."""


Report = Callable[[str], None]
"""Where lines about progress go."""


class EmbeddedError(Exception):
    """The platform cannot be started or reached; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    data: Path

    @classmethod
    def of(cls, data: str | Path) -> Self:
        return cls(Path(data).expanduser().absolute())

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def lock(self) -> Path:
        return self.run / "platform.lock"

    @property
    def processes(self) -> Path:
        return self.run / "processes.json"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def operator_key(self) -> Path:
        return self.keys / "operator.key"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def mail(self) -> Path:
        return self.data / "mail"

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def tenants(self) -> Path:
        return self.data / "tenants"

    @property
    def own_runtime(self) -> Path:
        """The runtime environment that is made here unless another is named."""
        return self.data / "runtime-env"

    @property
    def demo(self) -> Path:
        """How to sign in to the demonstration clinic."""
        return self.keys / "demo.json"

    @property
    def demo_billing(self) -> Path:
        """How to reach the payment provider's double."""
        return self.keys / "demo-billing.json"

    @property
    def simulated_cluster(self) -> Path:
        """How to reach the simulated cluster."""
        return self.keys / "simulated-cluster.json"

    @property
    def simulated_token(self) -> Path:
        return self.keys / "simulated-cluster.token"

    @property
    def simulated_certificate(self) -> Path:
        """By which the simulated cluster is known; `kubectl` hands out tokens over TLS only."""
        return self.keys / "simulated-cluster.crt"

    @property
    def simulated_certificate_key(self) -> Path:
        return self.keys / "simulated-cluster.key"

    @property
    def simulated_kubeconfig(self) -> Path:
        return self.keys / "simulated-cluster.kubeconfig"

    def make(self) -> None:
        """Make the folders, closed to other users. Nothing above the data folder is touched."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.run, self.keys, self.logs, self.mail, self.tenants):
            folder.mkdir(exist_ok=True, mode=0o700)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is decided at a start and needed by every other command; `port` is kept from then on."""

    host: str
    port: int
    public_url: str
    runtime_env: str
    simulated_cluster: bool = False
    """Whether clinics are in a simulated cluster, and not processes."""

    @classmethod
    def read(cls, layout: Layout) -> Self | None:
        stored = read_json(layout.data / "platform.json")
        return cls(**stored) if stored is not None else None

    def write(self, layout: Layout) -> None:
        write_private(layout.data / "platform.json", json.dumps(asdict(self), indent=1))

    @property
    def api(self) -> str:
        """The API as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Options:
    """What `./dev up` was asked for."""

    data: Path
    host: str
    public_url: str | None
    runtime_env: Path | None
    demo: bool
    simulated_cluster: bool = False

    @property
    def named_data(self) -> str:
        """How to name the folder to another command of `./dev`; empty where it is the usual one."""
        return "" if self.data == ROOT / "var" else f" --data {shlex.quote(str(self.data))}"


def read_json(file: Path) -> Any:
    """The content of a JSON file; None when there is none, or only the remains of one."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
