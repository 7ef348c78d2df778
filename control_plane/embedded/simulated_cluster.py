"""`./dev up --simulated-cluster`: clinics are set up on a Kubernetes API server's double beside the platform instead of as processes.

Manifests, roll-outs, reasons and the platform's own work are as on a real cluster, and `kubectl` may look. In its pods nothing runs: a
simulated runtime attests its revision and knows nothing of patients. What is printed and listed says so.
"""

import asyncio
import base64
import json
import secrets
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any, Final

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from control_plane.deployers.local.placement import write_private
from control_plane.embedded.layout import EmbeddedError, Facts, Layout, read_json
from dentalpin_kit.ports import listen_on_free

NAME: Final = "simulated"
DOMAIN: Final = "simulated.localhost"
IMAGE: Final = "simulated.localhost/dentalpin/runtime@sha256:" + "0" * 64
REGION: Final = "simulated"
READY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class SimulatedCluster:
    port: int
    token: str
    certificate: str
    """Its own, PEM."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> dict[str, Any]:
        authority = base64.b64encode(self.certificate.encode()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": NAME,
            "clusters": [{"name": NAME, "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": NAME, "user": {"token": self.token}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        }

    def environment(self) -> dict[str, str]:
        """For the platform's API and worker."""
        return {"DENTALPIN_DEPLOYER": "kubernetes", "DENTALPIN_RUNTIME_IMAGE": IMAGE}


def bind(layout: Layout) -> tuple[socket.socket, SimulatedCluster]:
    """The double's socket, on loopback and on the port of last time, and how it is asked; the kubeconfig is written for `kubectl`."""
    kept = read_json(layout.simulated_cluster) or {}
    listening = listen_on_free("127.0.0.1", first=(kept["port"],) if "port" in kept else ())
    known = SimulatedCluster(listening.getsockname()[1], kept.get("token") or secrets.token_urlsafe(32), _certificate(layout))
    write_private(layout.simulated_cluster, json.dumps({"port": known.port, "token": known.token}, indent=1))
    write_private(layout.simulated_token, known.token)
    # JSON is YAML.
    write_private(layout.simulated_kubeconfig, json.dumps(known.kubeconfig, indent=1))
    return listening, known


def _certificate(layout: Layout) -> str:
    """The certificate of last time, or one that was made now and signed by itself."""
    if layout.simulated_certificate.exists() and layout.simulated_certificate_key.exists():
        return layout.simulated_certificate.read_text(encoding="utf-8")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DentalPin simulated cluster")])
    now = datetime.now(UTC)
    used_for = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=3650)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, encipher_only=False, decipher_only=False, **used_for), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate = made.public_bytes(serialization.Encoding.PEM).decode()
    write_private(layout.simulated_certificate_key, private.decode())
    write_private(layout.simulated_certificate, certificate)
    return certificate


def check(kept: Facts | None, wanted: bool) -> None:
    """Clinics of one folder run in one kind of place. Raises EmbeddedError."""
    if kept is None or kept.simulated_cluster == wanted:
        return
    if wanted:
        raise EmbeddedError("The clinics of this folder run as processes. Give the simulated cluster a folder of its own: --data DIR.")
    raise EmbeddedError("The clinics of this folder are in a simulated cluster. Add --simulated-cluster, or name another --data DIR.")


async def register(layout: Layout, facts: Facts, known: SimulatedCluster) -> None:
    """Tell the platform of its cluster, once both answer. Raises EmbeddedError."""
    key = layout.operator_key.read_text(encoding="utf-8").strip()
    kubeconfig = json.dumps(known.kubeconfig)
    async with httpx2.AsyncClient(base_url=facts.api, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        await _answering(known)
        changed = await client.patch(f"/v1/clusters/{NAME}", json={"kubeconfig": kubeconfig})
        if changed.status_code == 404:
            about = {"domain": DOMAIN, "reach": "proxy"}
            new = {"name": NAME, "region": REGION, "capacity": 10_000, "facts": about, "kubeconfig": kubeconfig}
            changed = await client.post("/v1/clusters", json=new)
        if not changed.is_success:
            raise EmbeddedError(f"The platform refuses its simulated cluster: {changed.text[:300]}")


async def _answering(known: SimulatedCluster) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    trusted = ssl.create_default_context(cadata=known.certificate)
    headers = {"Authorization": f"Bearer {known.token}"}
    async with httpx2.AsyncClient(base_url=known.url, headers=headers, verify=trusted, timeout=5) as client:
        while True:
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            if loop.time() > deadline:
                raise EmbeddedError("The simulated cluster does not become ready; see logs/cluster.log.")
            await asyncio.sleep(LOOK_SECONDS)
