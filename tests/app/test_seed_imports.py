"""Every import path the module guide prints exists here, and its test passes as written (contract: "Names and places").

Paths under app.core.agents belong to the AI agent integration, which is not part of the runtime yet.
"""

import importlib

import pytest

# As printed in the guide and the decision record, one line per printed import.
PRINTED = [
    ("app.core.plugins", "BaseModule"),
    ("app.core.plugins", "ModuleContext"),
    ("app.core.plugins.base", "BaseModule"),
    ("app.core.plugins.manifest", "Manifest"),
    ("app.core.plugins.loader", "discover_modules"),
    ("app.core.plugins.registry", "ModuleRegistry"),
    ("app.core.plugins.manifest_validator", "validate_module"),
    ("app.core.auth.dependencies", "ClinicContext"),
    ("app.core.auth.dependencies", "get_clinic_context"),
    ("app.core.auth.dependencies", "require_permission"),
    ("app.core.auth.permissions", "ROLE_PERMISSIONS"),
    ("app.core.schemas", "ApiResponse"),
    ("app.core.schemas", "PaginatedApiResponse"),
    ("app.core.events", "event_bus"),
    ("app.core.events", "EventType"),
    ("app.core.events.types", "EventType"),
    ("app.database", "Base"),
    ("app.database", "get_db"),
    ("app.modules.patients", "PatientsModule"),
    ("app.modules.patients.service", "PatientService"),
    ("app.modules.agenda", "AgendaModule"),
    ("app.modules.agenda.errors", "CabinetRequiredError"),
]

PRINTED_EVENTS = [
    "patient.created",
    "patient.updated",
    "patient.medical_updated",
    "appointment.scheduled",
    "appointment.status_changed",
    "appointment.confirmed",
    "appointment.checked_in",
    "appointment.in_treatment",
    "appointment.completed",
    "appointment.cancelled",
    "appointment.no_show",
    "appointment.cabinet_changed",
    "budget.sent",
    "budget.accepted",
    "invoice.issued",
    "invoice.paid",
]


@pytest.mark.parametrize(("module", "name"), PRINTED)
def test_a_printed_import_works(module, name):
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("event", PRINTED_EVENTS)
def test_a_printed_event_is_in_the_catalogue_under_its_constant(event):
    from app.core.events import EventType

    assert getattr(EventType, event.replace(".", "_").upper()) == event


def test_the_core_grants_only_its_own_permissions():
    from app.core.auth.permissions import ROLE_PERMISSIONS

    assert {grant.split(".")[0] for grants in ROLE_PERMISSIONS.values() for grant in grants} <= {"admin", "agents"}


def test_the_guides_inventory_imports(inventory_installed):
    """The entry point, and every name its printed files import from each other."""
    package = importlib.import_module("dentalpin_inventory")

    assert package.InventoryModule.manifest["name"] == "inventory"
    for name in ("lifecycle", "events", "models", "router", "schemas", "service"):
        importlib.import_module(f"dentalpin_inventory.{name}")
