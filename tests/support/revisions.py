"""Revision documents as the platform issues them, for tests of the runtime."""

from typing import Any

from dentalpin_kit.canonical import digest
from dentalpin_kit.tokens import SigningKey

PLATFORM_KEY = SigningKey.generate()
TENANT_ID = "6f0f6c0e-5c3e-4a9c-9d58-0a6a4c5c2f11"
RELEASE_ID = "sha256:" + "a" * 64


def revision_document(*modules: str, generation: int = 1, versions: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """A valid document that asks for these modules, in this order; `changes` replace top-level fields."""
    document: dict[str, Any] = {
        "schema": 1,
        "generation": generation,
        "tenant": {"id": TENANT_ID, "slug": "clinica-sol", "name": "Clínica Sol"},
        "release": {"id": RELEASE_ID, "core_version": "1.0.0"},
        "modules": [
            {
                "name": name,
                "version": (versions or {}).get(name, "0.1.0"),
                "reason": {"kind": "chosen", "by": [], "text": "Chosen by the clinic."},
            }
            for name in modules
        ],
        "clinic": {
            "name": "Clínica Sol",
            "country": "ES",
            "territory": None,
            "timezone": "Europe/Madrid",
            "currency": "EUR",
            "locale": "es-ES",
            "legal_form": None,
            "tax_id": None,
        },
        "owner": {"email": "owner@clinica-sol.example"},
        "compliance": {"country": "ES", "territory": None, "on": "2026-11-21", "obligations": [], "packs": {}},
        "limits": {},
        "mode": "normal",
        "platform": {"url": "http://127.0.0.1:8400", "public_key": PLATFORM_KEY.public},
        **changes,
    }
    effect = {
        "tenant": document["tenant"]["id"],
        "modules": [[m["name"], m["version"]] for m in document["modules"]],
        "mode": document["mode"],
    }
    return {**document, "digests": {"identity": digest(document), "effect": digest(effect)}}
