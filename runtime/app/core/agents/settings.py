"""How a clinic runs an agent: its own choice, else what the agent's author chose. Read at every call, so that a change holds at once."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from .catalogue import KnownAgent
from .context import AgentContext, AgentMode
from .guardrails import DEFAULT, GuardrailConfig
from .models import AgentSetting


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for one agent in one clinic."""

    enabled: bool
    mode: AgentMode
    role: str | None
    guardrails: GuardrailConfig
    chosen: bool
    """Whether the clinic chose it."""


def default_setting(known: KnownAgent | None, ctx: AgentContext | None = None) -> Setting:
    """Without a choice of the clinic; a context made by a module's own code (no known agent) says for itself."""
    if known is not None:
        return Setting(known.enabled, known.mode, None, known.guardrails, chosen=False)
    assert ctx is not None
    return Setting(True, ctx.mode, ctx.role, ctx.guardrails or DEFAULT, chosen=False)


async def setting_of(session: AsyncSession, clinic_id: UUID, name: str, default: Setting) -> Setting:
    row = (await session.scalars(select(AgentSetting).where(AgentSetting.clinic_id == clinic_id, AgentSetting.name == name))).one_or_none()
    return default if row is None else _setting(row)


async def settings_of(session: AsyncSession, clinic_id: UUID) -> dict[str, Setting]:
    rows = await session.scalars(select(AgentSetting).where(AgentSetting.clinic_id == clinic_id))
    return {row.name: _setting(row) for row in rows}


async def choose(session: AsyncSession, clinic_id: UUID, name: str, setting: Setting, *, actor: UUID) -> None:
    """Write the clinic's choice; the same again changes nothing."""
    values = {
        "enabled": setting.enabled,
        "mode": setting.mode.value,
        "role": setting.role,
        "guardrails": setting.guardrails.model_dump(mode="json"),
        "changed_by": actor,
    }
    statement = insert(AgentSetting).values(clinic_id=clinic_id, name=name, **values)
    await session.execute(statement.on_conflict_do_update(constraint="uq_agents_clinic_name", set_={**values, "updated_at": func.now()}))


def _setting(row: AgentSetting) -> Setting:
    return Setting(row.enabled, AgentMode(row.mode), row.role, GuardrailConfig.model_validate(row.guardrails), chosen=True)
