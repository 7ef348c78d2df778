"""What law requires of this clinic, as the adopted revision says, and which installed module meets it. Pure but for one query."""

from collections.abc import Collection, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from .models import ModuleRecord

_OBLIGATIONS: Final = sa.text("""
    SELECT o ->> 'id' FROM (SELECT document FROM core_revision ORDER BY generation DESC LIMIT 1) latest,
           jsonb_array_elements(latest.document #> '{compliance,obligations}') o
    WHERE o ->> 'status' = 'required' ORDER BY 1
""")


async def obligations(executor: AsyncConnection | AsyncSession) -> tuple[str, ...]:
    """The obligations the adopted revision calls required; none on a stand-alone runtime."""
    return tuple((await executor.execute(_OBLIGATIONS)).scalars())


def unmet_without(name: str, records: Mapping[str, ModuleRecord], standing: Collection[str], required: Collection[str]) -> tuple[str, ...]:
    """The required obligations that `name` meets and nothing among the `standing` modules does."""
    elsewhere = {met for other in standing if other != name for met in fulfilled(records[other])}
    return tuple(sorted(fulfilled(records[name]) & set(required) - elsewhere))


def fulfilled(record: ModuleRecord) -> set[str]:
    return set(record.manifest_snapshot.get("fulfils", ()))
