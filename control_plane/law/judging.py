"""What the law asks of one tenant: its statements and its edition of the packs, on a day in its own time zone, as known at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.compliance.history import EntityFacts, History
from control_plane.compliance.locks import Lock, locks_of
from control_plane.compliance.requirements import Requirements
from control_plane.compliance.uniting import law_of
from control_plane.law.shelf import Law
from control_plane.law.statements import history_of
from control_plane.platform import Platform
from control_plane.tenants.models import Tenant

EDITION_WAITS: Final = "law_edition_waits"
"""The problem of a tenant that a published edition could not be brought about for: it is planned with it as soon as a person acts."""


@dataclass(frozen=True)
class Judgement:
    requirements: Requirements
    facts: EntityFacts
    history: History
    law: Law

    def locks(self, installed: Mapping[str, Any]) -> dict[str, Lock]:
        """Which of these modules (by name, as the catalogue has them) the law keeps."""
        fulfils = {name: module.fulfils for name, module in installed.items()}
        return locks_of(self.requirements, fulfils, self.facts.last_used, self.facts.kept_elsewhere)


async def law_for(session: AsyncSession, platform: Platform, tenant: Tenant) -> Law:
    """The edition a tenant is planned with: the newest for one that is yet to be made, else the one it was brought to."""
    if tenant.generation == 0 or tenant.law_problem_code == EDITION_WAITS:
        return await platform.shelf.current(session)
    return await platform.shelf.edition(session, tenant.law_edition)


def today_of(platform: Platform, tenant: Tenant, law: Law) -> date:
    """The calendar day at the tenant's first clinic. Raises UnknownCountry, UnknownTerritory."""
    return platform.clock.today(law.packs.jurisdiction(tenant.country, tenant.territory).time_zones[0])


async def judge(
    session: AsyncSession,
    platform: Platform,
    tenant: Tenant,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    law: Law | None = None,
    history: History | None = None,
) -> Judgement:
    """Today by what is believed and by the tenant's edition, unless another day, knowledge, edition or history is given.

    Raises the errors of compliance.resolve. Conflicts are in the requirements: whoever plans refuses them.
    """
    law = law or await law_for(session, platform, tenant)
    history = history or await history_of(session, tenant, known_at=known_at)
    day = on or today_of(platform, tenant, law)
    return Judgement(law_of(history, law.packs, day), history.on(day), history, law)
