"""Templates of the sign-up pages, and the headers that keep them to what they are."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from control_plane.compliance.loading import Jurisdiction
from control_plane.compliance.requirements import Assumption, Finding
from control_plane.compliance.schema import Choice
from control_plane.plans import Plan
from control_plane.releases.catalogue import CatalogueModule
from control_plane.revisions.document import ModulePart
from control_plane.revisions.planner import ReasonKind
from control_plane.signup.offer import Offer
from control_plane.signup.terms import limits_in_order
from control_plane.signup.texts import Speech

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
# Nothing but our own files: no inline script or style, no frame around the page, no form sent elsewhere.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # A progress page's address opens it, so it is told to nobody.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
_WEIGHT: Final = ("required", "undetermined", "forbidden", "allowed")


def module_title(module: CatalogueModule, say: Speech) -> str:
    return _title(module.name, module.title, say)


def _title(name: str, title: str | None, say: Speech) -> str:
    key = f"module.{name}.title"
    return say(key) if say.has(key) else title or name.replace("_", " ").capitalize()


def module_summary(module: CatalogueModule, say: Speech) -> str:
    key = f"module.{module.name}.summary"
    return say(key) if say.has(key) else module.summary


def name_of(name: str, say: Speech) -> str:
    """A module by its name alone."""
    return _title(name, None, say)


def _title_of(name: str, offer: Offer, say: Speech) -> str:
    return next((module_title(one.module, say) for one in offer.modules if one.module.name == name), name)


def _titles(names: tuple[str, ...], offer: Offer, say: Speech) -> list[str]:
    return [_title_of(name, offer, say) for name in names]


def limits(plan: Plan, say: Speech) -> str:
    """What a plan allows, as one sentence."""
    words = []
    for name, limit in limits_in_order(plan.limits.model_dump()):
        if limit is None:
            words.append(say(f"limit.{name}.none"))
        else:
            words.append(say(f"limit.{name}.one" if limit == 1 else f"limit.{name}", limit=limit))
    sentence = say.list(words)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _territory_option(jurisdiction: Jurisdiction, say: Speech) -> tuple[str, str]:
    return jurisdiction.id, say.of(jurisdiction.name)


def _choices(choices: Mapping[str, Choice], say: Speech) -> list[tuple[str, str]]:
    return [(key, say.of(choice.label)) for key, choice in choices.items()]


def _by_weight(findings: tuple[Finding, ...], offer: Offer) -> list[Finding]:
    """What must be done comes first, and of that what is not met."""
    return sorted(findings, key=lambda finding: (_WEIGHT.index(finding.status), finding.id not in offer.unmet, finding.id))


def _assumption(assumption: Assumption, offer: Offer, say: Speech) -> str:
    assert offer.jurisdiction is not None  # there are no assumptions without one
    fact = offer.jurisdiction.facts[assumption.fact]
    if isinstance(assumption.value, bool):
        answer = say("form.yes" if assumption.value else "form.no")
    else:
        choice = fact.choices.get(str(assumption.value))
        answer = say.of(choice.label) if choice else str(assumption.value)
    return f"{say.of(fact.question)} {answer}."


def _desired_title(module: ModulePart, say: Speech) -> str:
    return name_of(module.name, say)


def _desired_reason(module: ModulePart, say: Speech) -> str:
    if module.reason.kind is ReasonKind.NEEDED_BY:
        return say("progress.needed_by", modules=say.list([name_of(name, say) for name in module.reason.by]))
    return say("progress.chosen" if module.reason.kind is ReasonKind.CHOSEN else "progress.law")


@cache
def static_file(name: str) -> str:
    """The address of one of our files, with its digest: a browser keeps it until it is another one."""
    return f"/signup/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "module_title": module_title,
        "module_summary": module_summary,
        "title_of": _title_of,
        "titles": _titles,
        "limits": limits,
        "territory_option": _territory_option,
        "choices": _choices,
        "by_weight": _by_weight,
        "assumption": _assumption,
        "desired_title": _desired_title,
        "desired_reason": _desired_reason,
    }
    environment.globals["file"] = static_file
    return environment


_ENVIRONMENT: Final = _environment()


def render(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page. `demonstration`: whether it says that no money moves."""
    speech: Speech = values["say"]
    values.setdefault("demonstration", False)
    headers = {**HEADERS, "Content-Language": speech.language}
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(**values), status, headers)
