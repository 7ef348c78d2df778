"""The application of one serving process: core routers, the mounted modules, the pages, and the layers around all of them."""

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from inspect import isawaitable, iscoroutine
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from app.config import Settings
from app.core import errors, modes, openapi
from app.core.agents.mcp import PATH as MCP_PATH
from app.core.agents.mcp import McpEndpoint
from app.core.agents.router import router as agents_router
from app.core.agents.runner import AgentRunner
from app.core.agents.tokens_router import router as tokens_router
from app.core.agents.tools.registry import ToolRegistry
from app.core.auth.account_router import router as account_router
from app.core.auth.passwords import Passwords
from app.core.auth.platform_router import router as platform_router
from app.core.auth.router import router as auth_router
from app.core.auth.state import AuthState
from app.core.auth.tokens import AccessTokens
from app.core.clinics.router import router as clinics_router
from app.core.clinics.service import SeedClinic, seed_installed_modules
from app.core.copies import copy as copies
from app.core.copies.copy import Copy
from app.core.demos import demo as demos
from app.core.demos.demo import Demo
from app.core.events.router import router as events_router
from app.core.jobs.router import router as jobs_router
from app.core.limits import limits as plan_limits
from app.core.limits.guard import guard_storage
from app.core.limits.limits import Limits
from app.core.limits.router import router as plan_router
from app.core.limits.usage import Storage
from app.core.mail.room import MailRoom, build_mailer
from app.core.observability.metrics import observe_request
from app.core.pages.account import router as account_pages
from app.core.pages.problems import error_page
from app.core.pages.records import router as records_pages
from app.core.pages.router import router as pages_router
from app.core.pages.support import router as support_pages
from app.core.plugins.errors import ModuleDisabled
from app.core.plugins.registry import ModuleRegistry, MountedModule, module_registry
from app.core.requests import SecurityHeadersLayer, UnitOfWorkLayer
from app.core.roles.router import router as roles_router
from app.core.standing import standing
from app.core.standing.standing import Payments
from app.core.support.layer import SupportLayer
from app.core.support.platform_router import router as support_platform_router
from app.core.support.router import router as support_router
from app.core.users.router import router as users_router
from app.database import Database
from dentalpin_kit.mail import Mailer
from dentalpin_kit.peers import read_networks
from dentalpin_kit.requests import RequestsLayer, RouteLayer

logger = logging.getLogger(__name__)

API = "/api/v1"
CORE_ROUTERS: Final = (
    auth_router,
    account_router,
    tokens_router,
    clinics_router,
    roles_router,
    users_router,
    platform_router,
    events_router,
    jobs_router,
    agents_router,
    support_router,
    support_platform_router,
)
Layer = Callable[[ASGIApp], ASGIApp]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class SettingMissing(RuntimeError):
    """A setting without which no request can be served; the message names it."""


def create_app(
    settings: Settings,
    registry: ModuleRegistry = module_registry,
    *,
    database: Database | None = None,
    routers: Iterable[APIRouter] = (),
    layers: Sequence[Layer] = (),
    lifespan: Lifespan | None = None,
    passwords: Passwords | None = None,
    seed_clinic: SeedClinic = seed_installed_modules,
    mode: modes.Mode | None = None,
    copy: Copy | None = None,
    demo: Demo | None = None,
    limits: Limits | None = None,
    payments: Payments | None = None,
) -> FastAPI:
    """The application for the modules mounted in `registry`; mounting later has no effect on routes.

    `routers` are further routers of the core, with their full paths; `layers` are further ASGI layers, outermost first. Whoever calls
    owns `database` and disposes of it; without one it is made from the settings and belongs to `app.state.database`. `mode` is what
    modules' routes are held to, by default the mode of this process; `copy` is what it is a copy of, `demo` what it demonstrates, `limits`
    what its plan has room for and `payments` how it stands with its payments, by default those of this process.
    Raises SettingMissing.
    """
    secret = settings.secret_key
    if secret is None:
        raise SettingMissing("DENTALPIN_SECRET_KEY is not set; make one with `openssl rand -base64 48`, it signs people's sessions")
    database = database or _database(settings)
    secure = (settings.public_url or "").startswith("https://")
    app = FastAPI(
        title="DentalPin",
        openapi_url=f"{API}/openapi.json",
        # The interactive pages load scripts from elsewhere, which our policy forbids.
        docs_url=None,
        redoc_url=None,
        lifespan=_until_mailed(lifespan),
        middleware=[
            Middleware(RequestsLayer, observe=observe_request, module_of=partial(_module_of, registry)),
            *(Middleware(layer) for layer in layers),
            Middleware(SecurityHeadersLayer, secure=secure),
            Middleware(UnitOfWorkLayer, database=database),
            Middleware(SupportLayer, registry=registry),
            Middleware(RouteLayer),
        ],
        # FastAPI's own spans hold paths and queries, which may name a patient.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.settings = settings
    app.state.registry = registry
    app.state.database = database
    app.state.seed_clinic = seed_clinic
    app.state.error_page = error_page
    app.state.mode = modes.current_mode() if mode is None else mode
    app.state.copy = copies.current() if copy is None else copy
    app.state.demo = demos.current() if demo is None else demo
    app.state.limits = plan_limits.current() if limits is None else limits
    app.state.payments = standing.current() if payments is None else payments
    app.state.storage = Storage(settings.storage, settings.backups)
    app.state.auth = AuthState(
        AccessTokens(secret.get_secret_value()),
        secure,
        passwords or Passwords(),
        data_key=settings.data_key.get_secret_value() if settings.data_key is not None else None,
        trusted_proxies=read_networks(settings.trusted_proxies),
    )
    app.state.mail = MailRoom(_mailer(settings) if app.state.copy is None and app.state.demo is None else None, database)
    app.state.tools = ToolRegistry(registry, database)
    app.state.agents = AgentRunner(app.state.tools)
    errors.install(app)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]  # the documented way to change the document
    for router in CORE_ROUTERS:
        app.include_router(router, prefix=API)
    app.router.routes.append(Route(MCP_PATH, McpEndpoint(), name="mcp"))
    app.include_router(plan_router)
    for router in routers:
        app.include_router(router)
    mount_routes(app, registry)
    for router in (pages_router, account_pages, support_pages, records_pages):
        app.include_router(router)
    return app


def mount_routes(app: FastAPI, registry: ModuleRegistry) -> None:
    """Each module's routes under its name. One whose routes cannot be made is left out with what needs it; the others serve."""
    for mounted in registry.mounted:
        lacking = [need for need in mounted.manifest.depends if need not in registry]
        if lacking:
            logger.error("%s is not served, since %s is not", mounted.name, ", ".join(lacking))
            registry.unmount(mounted.name)
            continue
        routes = len(app.router.routes)
        try:
            router = mounted.module.get_router()
            if router is not None:
                asked_first = [Depends(_refuse_while_disabled(registry, mounted.name)), Depends(modes.guard), Depends(guard_storage)]
                app.include_router(router, prefix=f"{API}/{mounted.name}", tags=[mounted.name], dependencies=asked_first)
            _activate(mounted)
        except Exception:
            logger.exception("%s cannot be mounted; it is left out", mounted.name)
            del app.router.routes[routes:]
            registry.unmount(mounted.name)


def _activate(mounted: MountedModule) -> None:
    """Let the module attach what it offers to others. Raises what it raises, and TypeError for one that would have to be awaited."""
    started: object = mounted.module.on_activate()  # type: ignore[func-returns-value]  # what a module really returns is checked
    if isawaitable(started):
        if iscoroutine(started):
            started.close()
        raise TypeError(f"{mounted.name}.on_activate() must be a plain function: nothing awaits it")


def _refuse_while_disabled(registry: ModuleRegistry, name: str) -> Callable[[], Coroutine[Any, Any, None]]:
    """What each of a module's routes asks first: switched off, it answers 409 with the reason instead."""

    async def check() -> None:
        if registry.is_disabled(name):
            raise ModuleDisabled(name)

    return check


def _module_of(registry: ModuleRegistry, path: str) -> str | None:
    """The mounted module whose routes lie at this path."""
    name = path.removeprefix(f"{API}/").partition("/")[0]
    return name if name in registry and path.startswith(f"{API}/") else None


def _mailer(settings: Settings) -> Mailer | None:
    smtp_url = settings.smtp_url.get_secret_value() if settings.smtp_url is not None else None
    return build_mailer(smtp_url=smtp_url, folder=settings.mail_folder, sender=settings.mail_from)


def _until_mailed(lifespan: Lifespan | None) -> Lifespan:
    """The lifespan given, after which mails under way are waited for."""

    @asynccontextmanager
    async def whole(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app) if lifespan is not None else nullcontext():
            yield
            await app.state.mail.close()

    return whole


def _database(settings: Settings) -> Database:
    if settings.database_url is None:
        raise SettingMissing("DATABASE_URL is not set; it names the database and the role that requests run as")
    return Database.of(settings)
