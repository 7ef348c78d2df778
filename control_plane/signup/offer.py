"""What the form shows for what was typed so far: modules with prices, what the law adds or refuses, what it still lacks. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from control_plane.clock import Clock
from control_plane.compliance.facts import Facts
from control_plane.compliance.loading import Jurisdiction, Packs
from control_plane.compliance.matching import Match, match
from control_plane.compliance.requirements import Finding, Requirements, Status
from control_plane.compliance.resolving import resolve
from control_plane.compliance.schema import Fact
from control_plane.compliance.tax_ids import clinic_kinds
from control_plane.errors import DomainError
from control_plane.plans import Plan, Quote, Tariff
from control_plane.releases.catalogue import Catalogue, CatalogueModule
from control_plane.revisions.planner import plan_modules
from control_plane.signup.forms import SignupForm
from control_plane.signup.terms import ZERO, Doors, Payment, Terms


class Standing(StrEnum):
    """How a module stands to the choice."""

    FREE = "free"
    CHOSEN = "chosen"
    NEEDED = "needed"
    LAW = "law"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True)
class OfferedModule:
    module: CatalogueModule
    price: Decimal
    """A month, net, in the plan that is chosen."""
    in_plan: bool
    """Whether the plan holds it, so that it costs nothing more."""
    standing: Standing
    findings: tuple[Finding, ...] = ()
    needed_by: tuple[str, ...] = ()

    @property
    def included(self) -> bool:
        return self.standing in (Standing.CHOSEN, Standing.NEEDED, Standing.LAW)

    @property
    def settled(self) -> bool:
        """Whether the clinic has nothing to choose about it."""
        return self.standing not in (Standing.FREE, Standing.CHOSEN)


@dataclass(frozen=True)
class Offer:
    modules: tuple[OfferedModule, ...]
    jurisdiction: Jurisdiction | None
    territories: tuple[Jurisdiction, ...]
    requirements: Requirements | None
    match: Match | None
    fulfilling: Mapping[str, str]
    """Obligation → the module of this release that would fulfil it."""
    tariff: Tariff
    quote: Quote
    """Of the plan that is chosen with the modules that are included."""
    terms: Terms
    payment: Payment | None
    problems: tuple[DomainError, ...] = ()

    @property
    def currency(self) -> str:
        return self.quote.currency

    @property
    def plan(self) -> Plan:
        return self.tariff.plans[self.quote.plan]

    @property
    def plans(self) -> dict[str, Plan]:
        """Those that are sold, the cheapest first."""
        return dict(sorted(self.tariff.offered.items(), key=lambda one: one[1].price[self.currency]))

    def held_by(self, plan: Plan) -> tuple[str, ...]:
        """Modules of this release that a plan holds."""
        there = {one.module.name for one in self.modules}
        return tuple(name for name in plan.includes if name in there)

    @property
    def base(self) -> Decimal:
        return self.plan.price[self.currency]

    @property
    def total(self) -> Decimal:
        return self.quote.total

    @property
    def due_today(self) -> Decimal:
        return self.terms.due_today(self.payment, self.quote)

    @property
    def unmet(self) -> frozenset[str]:
        return frozenset(finding.id for finding in self.match.unmet) if self.match else frozenset()

    @property
    def required(self) -> tuple[Finding, ...]:
        return self.requirements.with_status(Status.REQUIRED) if self.requirements else ()

    @property
    def legal_form(self) -> Fact | None:
        return self.jurisdiction.facts.get("legal_form") if self.jurisdiction else None

    @property
    def questions(self) -> dict[str, Fact]:
        """Facts people are asked for, beyond the legal form, which has a field of its own."""
        facts = self.jurisdiction.facts if self.jurisdiction else {}
        return {name: fact for name, fact in facts.items() if fact.ask and name != "legal_form"}

    @property
    def asked(self) -> frozenset[str]:
        """Facts that people can state on the page."""
        return frozenset(self.questions) | ({"legal_form"} if self.legal_form else frozenset())

    @property
    def tax_id_kinds(self) -> list[str]:
        return [kind.label for kind in clinic_kinds(self.jurisdiction)] if self.jurisdiction else []

    @property
    def tax_id_example(self) -> str | None:
        return clinic_kinds(self.jurisdiction)[0].example if self.jurisdiction else None


def make_offer(form: SignupForm, catalogue: Catalogue, packs: Packs, tariff: Tariff, clock: Clock, doors: Doors) -> Offer:
    """Never fails on what was typed: what is wrong is among `problems`, and the rest is shown without it."""
    problems: list[DomainError] = []
    jurisdiction, requirements = None, None
    if form.country:
        try:
            jurisdiction = packs.jurisdiction(form.country, form.territory)
            requirements = _requirements(form, jurisdiction, packs, clock, problems)
        except DomainError as error:
            problems.append(error)
    usable = catalogue.usable()
    law = (
        match(requirements, {name: module.model_dump() for name, module in usable.items()}, frozenset(form.modules))
        if requirements
        else None
    )
    chosen = [
        name
        for name in form.modules
        if name in usable and not (law and name in law.forbidden) and not _is_foreign(usable[name], jurisdiction)
    ]
    plan = _plan(form, tariff, problems)
    currency = tariff.currency_for(jurisdiction.currency if jurisdiction else "")
    prices = tariff.quote(plan, usable, currency)
    modules = tuple(_offered(chosen, catalogue, jurisdiction, requirements, law, prices, problems))
    free = _free(modules, frozenset(form.modules)) if tariff.law_adds_for_free else frozenset[str]()
    modules = tuple(replace(one, price=ZERO) if one.module.name in free else one for one in modules)
    terms = Terms.of(tariff, doors, clock.today(jurisdiction.time_zones[0] if jurisdiction else "UTC"))
    return Offer(
        modules=modules,
        jurisdiction=jurisdiction,
        territories=tuple(packs.jurisdiction(jurisdiction.country, id_) for id_ in packs.territories(jurisdiction.country))
        if jurisdiction
        else (),
        requirements=requirements,
        match=law,
        fulfilling={obligation: name for name, module in sorted(usable.items(), reverse=True) for obligation in module.fulfils},
        tariff=tariff,
        quote=tariff.quote(plan, [one.module.name for one in modules if one.included], currency, free=free),
        terms=terms,
        payment=terms.chosen(form.payment),
        problems=tuple(problems),
    )


def _free(modules: tuple[OfferedModule, ...], typed: frozenset[str]) -> frozenset[str]:
    """What the law adds and nobody chose, with what only that needs."""
    free = {one.module.name for one in modules if one.standing is Standing.LAW and one.module.name not in typed}
    while True:
        needed = {one.module.name for one in modules if one.standing is Standing.NEEDED and set(one.needed_by) <= free}
        if not needed - free:
            return frozenset(free)
        free |= needed


def _plan(form: SignupForm, tariff: Tariff, problems: list[DomainError]) -> str:
    """The plan that was chosen, or the one that is proposed."""
    if form.plan:
        try:
            tariff.plan(form.plan, new=True)
        except DomainError as error:
            problems.append(error)
        else:
            return form.plan
    return tariff.default_plan


def _requirements(
    form: SignupForm, jurisdiction: Jurisdiction, packs: Packs, clock: Clock, problems: list[DomainError]
) -> Requirements | None:
    """The law for what was typed; where a part of it is wrong, for the rest."""
    today = clock.today(jurisdiction.time_zones[0])
    stated = dict(form.facts)
    attempts = (
        Facts.of(form.country, form.territory, legal_form=form.legal_form, tax_id=form.tax_id, **stated),
        Facts.of(form.country, form.territory, legal_form=form.legal_form, **stated),
        Facts.of(form.country, form.territory),
    )
    for facts in attempts:
        try:
            return resolve(facts, packs, today)
        except DomainError as error:
            problems.append(error)
    return None


def _offered(
    chosen: list[str],
    catalogue: Catalogue,
    jurisdiction: Jurisdiction | None,
    requirements: Requirements | None,
    law: Match | None,
    prices: Quote,
    problems: list[DomainError],
) -> list[OfferedModule]:
    usable = catalogue.usable()
    included: set[str] = set(chosen)
    if requirements is not None:
        try:
            included = set(plan_modules(chosen, catalogue, requirements).versions)
        except DomainError as error:
            problems.append(error)
    else:
        included = _with_dependencies(chosen, catalogue)
    lines = {line.module: line for line in prices.lines}
    offered = []
    for name, module in usable.items():
        if name not in included and _is_foreign(module, jurisdiction):
            continue
        needed_by = tuple(other for other in sorted(included) if name in catalogue.modules[other].depends)
        findings: tuple[Finding, ...] = ()
        if law and name in law.forbidden:
            standing, findings = Standing.FORBIDDEN, (law.forbidden[name],)
        elif law and name in law.required:
            standing, findings = Standing.LAW, law.required[name]
        elif needed_by:
            standing = Standing.NEEDED
        else:
            standing = Standing.CHOSEN if name in included else Standing.FREE
        offered.append(OfferedModule(module, lines[name].amount, lines[name].included, standing, findings, needed_by))
    return offered


def _is_foreign(module: CatalogueModule, jurisdiction: Jurisdiction | None) -> bool:
    """Whether a module is there for the law of other countries only."""
    return jurisdiction is not None and bool(module.fulfils) and not any(one in jurisdiction.obligations for one in module.fulfils)


def _with_dependencies(chosen: list[str], catalogue: Catalogue) -> set[str]:
    """Modules that can be used depend on none that cannot, so that all of them are in the catalogue."""
    included: set[str] = set()
    waiting = list(chosen)
    while waiting:
        name = waiting.pop()
        if name not in included:
            included.add(name)
            waiting.extend(catalogue.modules[name].depends)
    return included
