"""What the runtime and the platform know about this module without importing its code paths."""

from typing import Any

PERMISSIONS = ("read", "write")

MANIFEST: dict[str, Any] = {
    "name": "patients",
    "version": "1.1.0",
    "title": "Patients",
    "summary": "Patient records: identity, contact, birth date, notes; search, duplicates warned, archive instead of delete.",
    "author": "The DentalPin authors",
    "license": "Apache-2.0",
    "category": "official",
    "min_core_version": "1.0.0",
    "depends": [],
    "installable": True,
    "auto_install": True,
    # Patient records have legal retention periods and every clinical module refers to them.
    "removable": False,
    "data_files": [],
    "role_permissions": {
        "admin": ["*"],
        "dentist": ["read", "write"],
        "hygienist": ["read", "write"],
        "assistant": ["read", "write"],
        "receptionist": ["read", "write"],
    },
    "frontend": {
        "navigation": [
            {"label": "nav.patients", "to": "/patients", "icon": "i-lucide-users", "permission": "patients.read", "order": 10},
        ],
    },
}
