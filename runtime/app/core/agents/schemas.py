"""Bodies and answers of `/api/v1/agents` and of people's access tokens."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from . import approvals
from .catalogue import KnownAgent
from .context import AgentMode
from .guardrails import GuardrailConfig
from .models import AgentApproval, AgentSession, PersonalAccessToken
from .sessions import status_of
from .settings import Setting
from .tools.base import ToolCategory

Scope = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?)$", max_length=120)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")]
TokenName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=r"^[^\x00]+$")]


class AgentOut(BaseModel):
    name: str
    title: str
    description: str
    enabled: bool
    mode: AgentMode
    role: str | None
    guardrails: GuardrailConfig
    allowed_tools: list[str] | None
    runnable: bool
    """Whether it is started from here; an assistant connects by itself."""
    chosen: bool
    """Whether this clinic chose how it runs; else the author's defaults hold."""

    @classmethod
    def of(cls, known: KnownAgent, setting: Setting) -> Self:
        return cls(
            name=known.name,
            title=known.title,
            description=known.description,
            enabled=setting.enabled,
            mode=setting.mode,
            role=setting.role,
            guardrails=setting.guardrails,
            allowed_tools=None if known.allowed_tools is None else list(known.allowed_tools),
            runnable=known.agent is not None,
            chosen=setting.chosen,
        )


class AgentChoice(BaseModel):
    """How the clinic wants an agent to run. `role` is for runs without a person: what the agent may do then."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool
    mode: AgentMode = AgentMode.SUPERVISED
    role: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")] | None = None
    guardrails: GuardrailConfig | None = None
    """None keeps the author's."""


class RunRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    input: dict[str, Any] = Field(default_factory=dict, max_length=100)


class RunOut(BaseModel):
    session_id: UUID


class ToolOut(BaseModel):
    name: str
    category: ToolCategory
    permissions: list[str]
    definition: dict[str, Any]
    """As the dialect asked for describes it."""


class SessionStatus(StrEnum):
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"


class SessionOut(BaseModel):
    id: UUID
    agent: str
    user_id: UUID | None
    mode: AgentMode
    status: SessionStatus
    summary: str
    started_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: AgentSession) -> Self:
        return cls(
            id=row.id,
            agent=row.agent,
            user_id=row.user_id,
            mode=AgentMode(row.mode),
            status=SessionStatus(status_of(row)),
            summary=row.summary,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    EXECUTED = "executed"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"


class ApprovalOut(BaseModel):
    id: UUID
    session_id: UUID
    agent: str
    user_id: UUID | None
    """On whose behalf; null for an agent that runs without a person."""
    tool: str
    category: ToolCategory
    arguments: dict[str, Any]
    status: ApprovalStatus
    created_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    note: str
    result: Any
    code: str | None
    """Why an approved call failed."""

    @classmethod
    def of(cls, row: AgentApproval) -> Self:
        fields = {name: getattr(row, name) for name in cls.model_fields if name != "status"}
        return cls(status=ApprovalStatus(approvals.status_of(row)), **fields)


class Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Note = ""


class AuditStatus(StrEnum):
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    REFUSED = "refused"
    WAITING = "waiting"


class AuditOut(BaseModel):
    """One call. Its result is not kept."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    session_id: UUID
    agent: str
    user_id: UUID | None
    mode: AgentMode
    tool: str
    category: ToolCategory | None
    arguments: dict[str, Any]
    status: AuditStatus
    code: str | None
    approval_id: UUID | None
    approved_by: UUID | None
    created_at: datetime
    finished_at: datetime | None


class TokenRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: TokenName
    scopes: list[Scope] = Field(min_length=1, max_length=50)
    """Permissions the token is limited to; `patients.*` and `*` work too. It never has more than its person."""
    days: int = Field(default=90, ge=1, le=365)

    @field_validator("scopes")
    @classmethod
    def _once_each(cls, value: list[str]) -> list[str]:
        return sorted(set(value))


class TokenOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    user_id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: PersonalAccessToken) -> Self:
        return cls.model_validate(row)


class NewToken(TokenOut):
    """`token` is shown once; only its hash is kept."""

    token: str
