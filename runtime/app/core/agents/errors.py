"""What agents, tools, approvals and tokens can be refused, one type per case a caller can tell apart."""

from collections.abc import Iterable
from uuid import UUID

from dentalpin_kit.problems import DomainError


class AgentError(DomainError):
    """Base of all."""

    status = 400
    code = "agent_error"


class ToolInvalid(AgentError):
    """A mistake of a module's author: found when the tool is declared."""

    status = 500
    code = "tool_invalid"

    def __init__(self, tool: str, mistakes: Iterable[str]) -> None:
        super().__init__(f"The tool {tool!r} cannot be used: {'; '.join(mistakes)}.", tool=tool)


class DialectUnknown(AgentError):
    status = 422
    code = "dialect_unknown"

    def __init__(self, dialect: str, known: Iterable[str]) -> None:
        super().__init__(f"Tools are not described in {dialect!r}. Ask for one of: {', '.join(sorted(known))}.")


class ToolUnknown(AgentError):
    status = 404
    code = "tool_unknown"

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"There is no tool {tool[:160]!r} here. List the tools; if it belongs to a module, that module is not installed or is disabled."
        )


class ToolNotAllowed(AgentError):
    status = 403
    code = "tool_not_allowed"

    def __init__(self, tool: str, agent: str) -> None:
        super().__init__(f"{agent} may not use {tool}: its allowed_tools do not name it. Use another tool.", tool=tool)


class ToolPermissionDenied(AgentError):
    status = 403
    code = "permission_denied"

    def __init__(self, tool: str, missing: Iterable[str]) -> None:
        lacking = sorted(missing)
        super().__init__(
            f"{tool} needs {', '.join(lacking)}, which this person or token does not have in this clinic. "
            "Ask the clinic's administrator, or use another tool.",
            tool=tool,
            missing=lacking,
        )


class ToolBlocked(AgentError):
    status = 403
    code = "tool_blocked"

    def __init__(self, tool: str, agent: str) -> None:
        super().__init__(f"The clinic's guardrails keep {agent} from using {tool}. An administrator can change them.", tool=tool)


class ArgumentsInvalid(AgentError):
    status = 422
    code = "arguments_invalid"

    def __init__(self, tool: str, errors: list[dict[str, str]]) -> None:
        named = "; ".join(f"{error['field'] or 'arguments'}: {error['message']}" for error in errors)
        super().__init__(f"The arguments of {tool} cannot be used. Correct them and call again: {named}.", errors=errors)


class TooManyActions(AgentError):
    status = 429
    code = "too_many_actions"

    def __init__(self, most: int, retry_after: int) -> None:
        super().__init__(f"At most {most} tool calls a minute are allowed here. Wait {retry_after} seconds.", retry_after=retry_after)


class SessionExhausted(AgentError):
    status = 429
    code = "session_exhausted"

    def __init__(self, most: int) -> None:
        super().__init__(f"This session has used its {most} tool calls. Start another one if the work is not done.")


class AgentSessionEnded(AgentError):
    status = 403
    code = "agent_session_ended"

    def __init__(self) -> None:
        super().__init__("This agent's session was ended; no further tool call happens in it. Start another one, or use another token.")


class AgentDisabled(AgentError):
    status = 403
    code = "agent_disabled"

    def __init__(self, agent: str) -> None:
        super().__init__(
            f"{agent} is switched off in this clinic. An administrator switches it on: "
            f'PUT /api/v1/agents/{agent} with {{"enabled": true, "mode": "supervised"}}.',
            agent=agent,
        )


class AgentUnknown(AgentError):
    status = 404
    code = "agent_unknown"

    def __init__(self, agent: str) -> None:
        super().__init__(f"There is no agent {agent[:160]!r} here. GET /api/v1/agents lists them.")


class AgentNeedsRole(AgentError):
    status = 409
    code = "agent_needs_role"

    def __init__(self, agent: str) -> None:
        super().__init__(
            f"{agent} runs without a person here, and the clinic has not said what it may do. Give it a role: PUT /api/v1/agents/{agent}.",
            agent=agent,
        )


class AlreadyRunning(AgentError):
    """One at a time: starting twice would do the work twice."""

    status = 409
    code = "agent_already_running"

    def __init__(self, agent: str, session_id: UUID) -> None:
        super().__init__(
            f"{agent} is already running for you in session {session_id}. Wait until it ends, or end it: "
            f"POST /api/v1/agents/-/sessions/{session_id}/end.",
            agent=agent,
            session_id=str(session_id),
        )


class NotRunnable(AgentError):
    status = 409
    code = "agent_not_runnable"

    def __init__(self, agent: str) -> None:
        super().__init__(f"{agent} is an assistant that connects by itself; it is not started from here.")


class ApprovalRequired(AgentError):
    """Not a refusal: the call waits."""

    status = 202
    code = "approval_required"

    def __init__(self, tool: str, approval_id: UUID) -> None:
        super().__init__(
            f"{tool} waits for a person's approval ({approval_id}) and has not happened yet. Do not call it again; tell the person, and "
            "ask agents.check_approval later.",
            tool=tool,
            approval_id=str(approval_id),
        )


class ApprovalNotFound(AgentError):
    status = 404
    code = "approval_not_found"

    def __init__(self, approval_id: UUID) -> None:
        super().__init__(f"There is no approval {approval_id} that you may see in this clinic. GET /api/v1/agents/-/approvals lists them.")


class ApprovalDecided(AgentError):
    status = 409
    code = "approval_decided"

    def __init__(self, approval_id: UUID, status: str) -> None:
        super().__init__(f"Approval {approval_id} is already {status}; it is decided once. Have the agent ask again.", status=status)


class ApprovalExpired(AgentError):
    status = 409
    code = "approval_expired"

    def __init__(self, approval_id: UUID) -> None:
        super().__init__(f"Approval {approval_id} was not decided in time, and nothing happened. Have the agent ask again.")


class MayNotDecide(AgentError):
    status = 403
    code = "may_not_decide"

    def __init__(self, tool: str) -> None:
        super().__init__(
            f"Deciding about {tool} takes the tool's own permissions and, for what somebody else's agent asks, agents.approvals.write."
        )


class ReadOnlyViolated(AgentError):
    """A tool that calls itself READ tried to write: a mistake of its author."""

    status = 500
    code = "tool_not_read_only"

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool} says it only reads but tried to change something; nothing was changed. Report it to the module's author.")


class OutcomeUnknown(AgentError):
    """The connection was lost, perhaps while committing."""

    status = 500
    code = "outcome_unknown"

    def __init__(self, tool: str) -> None:
        super().__init__(f"The connection was lost while {tool} was saving. Look whether it happened before you call it again.", tool=tool)


class ToolFailed(AgentError):
    status = 500
    code = "tool_failed"

    def __init__(self, tool: str, incident: str) -> None:
        super().__init__(f"{tool} failed on our side and nothing was changed. Report incident {incident}.", tool=tool, incident=incident)


class SessionNotFound(AgentError):
    status = 404
    code = "agent_session_not_found"

    def __init__(self, session_id: UUID) -> None:
        super().__init__(f"There is no agent session {session_id} that you may see in this clinic.")


class TokenNotFound(AgentError):
    status = 404
    code = "token_not_found"

    def __init__(self, token_id: UUID) -> None:
        super().__init__(f"There is no access token {token_id} of yours in this clinic. GET /api/v1/auth/tokens lists them.")


class TokenRefused(AgentError):
    status = 401
    code = "token_refused"

    def __init__(self) -> None:
        super().__init__("This access token is unknown, expired or revoked. Make another one: POST /api/v1/auth/tokens.")


class TooManyTokens(AgentError):
    status = 409
    code = "too_many_tokens"

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} access tokens in this clinic. Revoke one you do not use: DELETE /api/v1/auth/tokens/{{id}}.")


class TokenScopeUnknown(AgentError):
    status = 422
    code = "token_scope_unknown"

    def __init__(self, scopes: Iterable[str]) -> None:
        super().__init__(
            f"These scopes cover no permission you have in this clinic: {', '.join(sorted(scopes))}. "
            "GET /api/v1/auth/me lists your permissions; `patients.*` and `*` work too.",
            scopes=sorted(scopes),
        )
