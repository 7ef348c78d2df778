"""Adding a clinic to the tenant (its row, its first administrator, the seeds of every installed module), and changing one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth.identity import CurrentClinic
from app.core.auth.models import Membership
from app.database import set_clinic

from .models import Clinic
from .schemas import ClinicChange, ClinicCreate

SeedClinic = Callable[[AsyncSession, UUID], Awaitable[object]]
"""Loads the seeds of the installed modules for one clinic (`app.core.plugins.seeds.seed_clinic`)."""

FIRST_ROLE = "admin"


async def create_clinic(
    session: AsyncSession, given: ClinicCreate, *, like: CurrentClinic, creator: UUID, seed: SeedClinic
) -> CurrentClinic:
    """The new clinic, with its creator as administrator; from here on the transaction is that clinic's.

    What is not given is as in `like`, except its tax number, which is its own. Nothing is kept if a module's seeds cannot be loaded.
    """
    own_facts = replace(like, id=uuid4(), legal_form=None, tax_id=None)
    if given.country not in (None, like.country):
        own_facts = replace(own_facts, territory=None)
    clinic = replace(own_facts, **given.model_dump(exclude_none=True))
    await session.execute(
        insert(Clinic).values(
            id=clinic.id,
            name=clinic.name,
            country=clinic.country,
            territory=clinic.territory,
            timezone=clinic.timezone,
            currency=clinic.currency,
            locale=clinic.locale,
            legal_form=clinic.legal_form,
            tax_id=clinic.tax_id,
            second_factor_required=clinic.second_factor_required,
        )
    )
    await set_clinic(session, clinic.id)
    await session.execute(insert(Membership).values(user_id=creator, clinic_id=clinic.id, role=FIRST_ROLE))
    await seed(session, clinic.id)
    return clinic


async def change_clinic(session: AsyncSession, clinic: CurrentClinic, change: ClinicChange) -> CurrentClinic:
    """Change the clinic of the request; another country starts without the old one's territory."""
    values = change.model_dump(exclude_none=True)
    if change.country not in (None, clinic.country):
        values.setdefault("territory", None)
    if values:
        await session.execute(update(Clinic).where(Clinic.id == clinic.id).values(**values))
    return replace(clinic, **values)


async def seed_installed_modules(session: AsyncSession, clinic_id: UUID) -> None:
    """What a serving process passes as `seed`; the module system is imported when a clinic is made, not at every start."""
    from app.core.plugins.seeds import seed_clinic

    await seed_clinic(session, clinic_id)
