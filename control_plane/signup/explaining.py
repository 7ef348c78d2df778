"""Errors of the services in the words of the page, each at the field it is about."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from control_plane.errors import DomainError
from control_plane.signup.forms import FACT_PREFIX, SignupForm, fields_at_fault
from control_plane.signup.offer import Offer
from control_plane.signup.texts import Speech

# Where an error is shown; what is not named here stands above the form.
_FIELD_OF: Final = {
    "invalid_tax_id": "tax_id",
    "legal_form_contradicts_tax_id": "legal_form",
    "unknown_country": "country",
    "unknown_territory": "territory",
    "slug_taken": "slug",
    "invalid_slug": "slug",
    "too_many": "email",
    "plan_unknown": "plan",
    "plan_retired": "plan",
    "unknown_module": "modules",
    "module_not_installable": "modules",
    "module_forbidden": "modules",
    "dependency_conflict": "modules",
    "dependency_cycle": "modules",
}


def explain(error: DomainError, form: SignupForm, say: Speech, offer: Offer | None = None) -> dict[str, str]:
    """The error at its field. What the catalogue of texts has no words for is said in the service's own."""
    field = _FIELD_OF.get(error.code, "")
    if error.code == "invalid_fact":
        name = str(error.context.get("fact", ""))
        field = name if name == "legal_form" else f"{FACT_PREFIX}{name}"
    if field == "country" and not form.country:
        return {field: say("error.required")}
    key = f"error.{error.code}"
    if not say.has(key):
        return {field: error.message}
    values: dict[str, object] = {}
    if error.code == "invalid_tax_id" and offer is not None:
        values = {"kinds": " / ".join(offer.tax_id_kinds), "example": offer.tax_id_example}
    return {field: say(key, **values)}


def explain_faults(error: ValidationError, form: SignupForm, say: Speech) -> dict[str, str]:
    """What is missing or cannot be read, at each field."""
    return {name: _fault(name, fault, form, say) for name, fault in fields_at_fault(error).items()}


def _fault(name: str, fault: Mapping[str, Any], form: SignupForm, say: Speech) -> str:
    if not getattr(form, name, ""):
        return say("error.required")
    if fault["type"] == "string_too_long":
        return say("error.long", limit=fault["ctx"]["max_length"] + 1)
    return say("error.email") if name == "email" else str(fault["msg"])
