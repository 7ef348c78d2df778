"""Five clinics whose manifests are kept as golden files: `python -m tests.control_plane.deployers.kubernetes.clinics` writes them anew."""

from pathlib import Path
from uuid import UUID

from control_plane.databases.names import app_role, database_name, owner_role
from control_plane.deployers.base import DatabaseAddress, Need
from control_plane.deployers.kubernetes.facts import ClinicFacts, ClusterFacts, Credentials
from control_plane.deployers.kubernetes.rendering import Manifests, as_yaml, render, render_courier, render_rehearsal, render_removal

GOLDEN = Path(__file__).parent / "golden"
CLUSTER = ClusterFacts(
    domain="clinics.example",
    database_networks=("192.0.2.0/28",),
    mail_networks=("192.0.2.25/32",),
    mail_port=587,
    ingress_annotations={"nginx.ingress.kubernetes.io/proxy-body-size": "64m"},
)
ONE_NODE = ClusterFacts(
    domain="eu.clinics.example",
    storage_class="fast",
    access_mode="ReadWriteOnce",
    platform_namespace=None,
    control_networks=("198.51.100.7/32",),
    reach="proxy",
)
CREDENTIALS = Credentials("owner-password", "app-password", "secret-key", "data-key", "smtp://clinics@mail.example:587")


def revision(tenant_id, slug="dental-sol", *, generation=1, modules=("patients", "agenda"), limits=None, **more):
    return {
        "schema": 1,
        "generation": generation,
        "tenant": {"id": str(tenant_id), "slug": slug, "name": "Dental Sol"},
        "release": {"id": "sha256:" + "1" * 64, "core_version": "1.0.0"},
        "modules": [
            {"name": name, "version": "1.0.0", "reason": {"kind": "chosen", "by": [], "text": "chosen"}} for name in sorted(modules)
        ],
        "clinic": {
            "name": "Dental Sol",
            "country": "ES",
            "territory": None,
            "timezone": "Europe/Madrid",
            "currency": "EUR",
            "locale": "es-ES",
            "legal_form": None,
            "tax_id": None,
        },
        "owner": {"email": "owner@clinic.example"},
        "compliance": {"country": "ES", "territory": None, "on": "2026-11-22", "obligations": [], "packs": {}},
        "limits": limits or {},
        "mode": "normal",
        "platform": {"url": "https://platform.example", "public_key": "cHVibGlj"},
        "digests": {"identity": f"sha256:{generation:064d}", "effect": f"sha256:{generation + 100:064d}"},
        **more,
    }


def clinic(number, slug, *, generation=1, modules=("patients", "agenda"), limits=None, **facts):
    tenant_id = UUID(int=number)
    return ClinicFacts(
        tenant_id=tenant_id,
        slug=slug,
        name="Dental Sol",
        image="registry.example/dentalpin/runtime@sha256:" + "a" * 64,
        database=DatabaseAddress("db.example", 5432, database_name(tenant_id), owner_role(tenant_id), app_role(tenant_id)),
        revision=revision(tenant_id, slug, generation=generation, modules=modules, limits=limits),
        **facts,
    )


CLINICS = {
    "small": (clinic(1, "dental-sol", limits={"clinics": 1, "users": 5, "storage_gb": 20}), CLUSTER),
    "large": (clinic(2, "grupo-norte", generation=12, limits={"storage_gb": 500}), CLUSTER),
    "custom-domain": (
        clinic(3, "clinica-mar", limits={"clinics": 1, "users": 25, "storage_gb": 100}, domains=("cita.clinica-mar.example",)),
        ONE_NODE,
    ),
    "suspended": (clinic(4, "dental-luna", generation=3, limits={"clinics": 1, "users": 5, "storage_gb": 20}, suspended=True), CLUSTER),
    "several-needs": (
        clinic(
            5,
            "dental-rio",
            modules=("agenda", "messages", "patients", "verifactu"),
            needs=(Need("203.0.113.0/28", 8443), Need("internet", 443)),
        ),
        ONE_NODE,
    ),
}


def manifests_of(name, secret=True) -> Manifests:
    facts, cluster = CLINICS[name]
    entries = CREDENTIALS.entries(facts.database, facts.database.owner_role, facts.database.app_role)
    return render(facts, cluster, entries)


def golden_of(name) -> str:
    facts, cluster = CLINICS[name]
    jobs = [render_removal(facts, cluster), *render_courier(facts, cluster), *render_rehearsal(facts, cluster, {})]
    return as_yaml([*manifests_of(name).objects, *jobs])


if __name__ == "__main__":
    for each in CLINICS:
        (GOLDEN / f"{each}.yaml").write_text(golden_of(each), encoding="utf-8")
