"""resolve(facts, packs, on): the compliance step between a clinic's facts and the catalogue. Pure: the same input gives the same answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from control_plane.compliance.conditions import FactValue, evaluate
from control_plane.compliance.facts import Facts, establish
from control_plane.compliance.loading import Jurisdiction, Packs
from control_plane.compliance.requirements import Assumption, Change, Conflict, Finding, NotApplicable, Profile, Requirements, Status
from control_plane.compliance.schema import Effect, Rule, Text

HORIZON = timedelta(days=180)

_STATUS = {Effect.REQUIRE: Status.REQUIRED, Effect.ALLOW: Status.ALLOWED, Effect.FORBID: Status.FORBIDDEN}


@dataclass(frozen=True)
class _Outcome:
    status: Status
    rule: Rule
    unknown: tuple[str, ...] = ()
    against: Rule | None = None


def resolve(facts: Facts, packs: Packs, on: date) -> Requirements:
    """What the law asks of a clinic on a date in its own time zone.

    A prohibition outranks a requirement (and the two together are a conflict), a requirement outranks a permission. A rule that hangs on
    an unknown fact makes its obligation undetermined, unless a rule that holds outranks it. `upcoming` covers the 180 days after `on`.
    Raises UnknownCountry, UnknownTerritory, InvalidTaxId, UnknownFact, InvalidFact, LegalFormContradictsTaxId.
    """
    jurisdiction = packs.jurisdiction(facts.country, facts.territory)
    established = establish(facts, jurisdiction)
    known = established.known
    outcomes = {id_: _decide(jurisdiction, id_, known, on) for id_ in sorted(jurisdiction.obligations)}
    asked = {name for rule in jurisdiction.rules for name in rule.when} | {
        name for clause in jurisdiction.residency for name in clause.when
    }
    premises = [("assumed", one) for one in established.assumed] + [("derived", one) for one in established.derived]
    return Requirements(
        country=jurisdiction.country,
        territory=jurisdiction.territory,
        on=on,
        tax_id=established.tax_id.number if established.tax_id else None,
        obligations=tuple(_finding(jurisdiction, outcome) for outcome in outcomes.values() if outcome),
        not_applicable=tuple(_not_applicable(jurisdiction, id_, known, on) for id_, outcome in outcomes.items() if outcome is None),
        assumptions=tuple(
            Assumption.model_validate({"fact": one.fact, "value": one.value, "how": how, "why": one.why})
            for how, one in premises
            if one.fact in asked
        ),
        upcoming=tuple(_upcoming(jurisdiction, known, on)),
        conflicts=tuple(_conflict(outcome) for outcome in outcomes.values() if outcome and outcome.against),
        profile=_profile(jurisdiction, known, on),
        packs=dict(jurisdiction.digests),
    )


def _decide(jurisdiction: Jurisdiction, obligation: str, known: Mapping[str, FactValue], on: date) -> _Outcome | None:
    """The status of one obligation; None when no rule in force concerns this clinic."""
    holding: dict[Effect, Rule] = {}
    open_: dict[Effect, Rule] = {}
    for rule in jurisdiction.rules:
        if rule.obligation == obligation and rule.in_force(on):
            holds = evaluate(rule.when, known)
            if holds is not False:
                (holding if holds else open_).setdefault(rule.effect, rule)
    forbid, require, allow = (holding.get(effect) for effect in (Effect.FORBID, Effect.REQUIRE, Effect.ALLOW))
    if forbid:
        return _Outcome(Status.FORBIDDEN, forbid, against=require)
    if Effect.FORBID in open_:
        return _undetermined(open_[Effect.FORBID], known)
    if require:
        return _Outcome(Status.REQUIRED, require)
    if Effect.REQUIRE in open_:
        return _undetermined(open_[Effect.REQUIRE], known)
    if allow:
        return _Outcome(Status.ALLOWED, allow)
    if Effect.ALLOW in open_:
        return _undetermined(open_[Effect.ALLOW], known)
    return None


def _undetermined(rule: Rule, known: Mapping[str, FactValue]) -> _Outcome:
    return _Outcome(Status.UNDETERMINED, rule, unknown=tuple(sorted(rule.when.keys() - known.keys())))


def _why(jurisdiction: Jurisdiction, outcome: _Outcome) -> Text:
    if outcome.status is not Status.UNDETERMINED:
        return outcome.rule.text
    questions = [jurisdiction.facts[name].question for name in outcome.unknown]
    return Text(
        en=f"Depends on what is not known yet: {' '.join(one.en for one in questions)} If so: {outcome.rule.text.en}",
        es=f"Depende de algo que aún no sabemos: {' '.join(one.es for one in questions)} En su caso: {outcome.rule.text.es}",
    )


def _finding(jurisdiction: Jurisdiction, outcome: _Outcome) -> Finding:
    rule = outcome.rule
    return Finding(
        id=rule.obligation,
        title=jurisdiction.obligations[rule.obligation].title,
        status=outcome.status,
        why=_why(jurisdiction, outcome),
        rule=rule.id,
        source=rule.source,
        confidence=rule.confidence,
        since=rule.effective_from,
        until=rule.effective_until,
        lock=rule.lock,
        depends_on=outcome.unknown,
        records=jurisdiction.obligations[rule.obligation].records,
    )


def _not_applicable(jurisdiction: Jurisdiction, obligation: str, known: Mapping[str, FactValue], on: date) -> NotApplicable:
    """Why no rule on an obligation concerns the clinic: the day, or the fact that rules it out."""
    rules = [rule for rule in jurisdiction.rules if rule.obligation == obligation]
    ruled_out = next((rule for rule in rules if rule.in_force(on)), None)
    starts = min((rule.effective_from for rule in rules if rule.effective_from and rule.effective_from > on), default=None)
    en, es = [], []
    if ruled_out is not None:
        names = [name for name in ruled_out.when if evaluate({name: ruled_out.when[name]}, known) is False]
        values = ", ".join(f"{name} = {_shown(known[name])}" for name in names)
        en.append(f"Does not concern this clinic ({values}).")
        es.append(f"No afecta a esta clínica ({values}).")
    if starts is not None:
        en.append(f"A rule about it starts on {starts.isoformat()}.")
        es.append(f"Una norma sobre ello empieza el {starts.isoformat()}.")
    if not en:
        en.append("No longer in force.")
        es.append("Ya no está en vigor.")
    known_as = jurisdiction.obligations[obligation]
    return NotApplicable(id=obligation, title=known_as.title, why=Text(en=" ".join(en), es=" ".join(es)), records=known_as.records)


def _shown(value: FactValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _upcoming(jurisdiction: Jurisdiction, known: Mapping[str, FactValue], on: date) -> Iterable[Change]:
    for obligation in sorted(jurisdiction.obligations):
        days = {day for rule in jurisdiction.rules if rule.obligation == obligation for day in rule.boundaries()}
        before = _decide(jurisdiction, obligation, known, on)
        for day in sorted(day for day in days if on < day <= on + HORIZON):
            after = _decide(jurisdiction, obligation, known, day)
            if (before and before.status) != (after and after.status):
                decisive = after or before
                assert decisive is not None  # they differ, so one of them is something
                yield Change(
                    on=day,
                    id=obligation,
                    title=jurisdiction.obligations[obligation].title,
                    before=before.status if before else None,
                    after=after.status if after else None,
                    why=_why(jurisdiction, decisive),
                    rule=decisive.rule.id,
                )
            before = after


def _conflict(outcome: _Outcome) -> Conflict:
    assert outcome.against is not None
    rules = (outcome.rule.id, outcome.against.id)
    return Conflict(
        id=outcome.rule.obligation,
        rules=rules,
        why=Text(
            en=f"{rules[0]} forbids what {rules[1]} requires.",
            es=f"{rules[0]} prohíbe lo que {rules[1]} exige.",
        ),
    )


def _profile(jurisdiction: Jurisdiction, known: Mapping[str, FactValue], on: date) -> Profile:
    return Profile(
        name=jurisdiction.name,
        currency=jurisdiction.currency,
        locales=jurisdiction.locales,
        time_zones=jurisdiction.time_zones,
        tax_ids=jurisdiction.tax_ids,
        vat=jurisdiction.vat,
        residency=tuple(
            clause
            for clause in jurisdiction.residency
            # A clause that hangs on an unknown fact is kept: data placed too strictly can be moved, data placed wrongly was there.
            if (clause.effective_from is None or clause.effective_from <= on) and evaluate(clause.when, known) is not False
        ),
        retention=dict(jurisdiction.retention),
        forbidden_features=jurisdiction.forbidden_features,
        privacy=jurisdiction.privacy,
        deadlines=jurisdiction.deadlines,
    )
