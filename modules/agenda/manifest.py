"""What the runtime and the platform know about this module without importing its code paths."""

from typing import Any

PERMISSIONS = ("appointments.read", "appointments.write", "cabinets.read", "cabinets.write")

MANIFEST: dict[str, Any] = {
    "name": "agenda",
    "version": "1.1.0",
    "title": "Agenda",
    "summary": "Cabinets and appointments, from booking to completion; nobody and no chair is booked twice.",
    "author": "The DentalPin authors",
    "license": "Apache-2.0",
    "category": "official",
    "min_core_version": "1.0.0",
    "depends": ["patients"],
    "installable": True,
    "auto_install": True,
    "removable": True,
    "data_files": ["data/default_cabinets.yaml"],
    "role_permissions": {
        "admin": ["*"],
        "dentist": ["appointments.*", "cabinets.read"],
        "hygienist": ["appointments.*", "cabinets.read"],
        "assistant": ["appointments.*", "cabinets.read"],
        "receptionist": ["appointments.*", "cabinets.read"],
    },
    "frontend": {
        "navigation": [
            {"label": "nav.agenda", "to": "/agenda", "icon": "i-lucide-calendar", "permission": "agenda.appointments.read", "order": 20},
        ],
    },
}
