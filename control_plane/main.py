"""The platform's web application: the operators' API under /v1 and the pages for people."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import text
from starlette.middleware import Middleware

from control_plane import errors, openapi
from control_plane.access.accounts_router import router as accounts
from control_plane.access.oidc.router import router as oidc
from control_plane.access.router import router as keys
from control_plane.access.routing import ThisPlatform, current_actor
from control_plane.access.service import ensure_first_key, key_in
from control_plane.access.session_router import entrances
from control_plane.access.session_router import router as sign_ins
from control_plane.account_pages import billing_pages, data_pages, entrance, papers, password_pages, subscription_pages, transfer_pages
from control_plane.account_pages import pages as account_pages
from control_plane.audit.router import router as audit
from control_plane.backups.router import checks as backup_checks
from control_plane.backups.router import router as backups
from control_plane.billing import router as billing
from control_plane.blast_radius.router import router as blast_radius
from control_plane.campaigns.router import router as campaigns
from control_plane.clusters.router import router as clusters
from control_plane.compliance.router import router as compliance
from control_plane.databases.passwords_router import router as database_passwords
from control_plane.databases.router import router as database_servers
from control_plane.demos.router import router as demos
from control_plane.domains.router import router as domains
from control_plane.drift.router import router as drift
from control_plane.exit import pages as downloads
from control_plane.exit.router import keys as signing_keys
from control_plane.exit.router import router as leaving
from control_plane.law import editions
from control_plane.law import router as law
from control_plane.mail.router import router as mails
from control_plane.maintenance.router import router as maintenance
from control_plane.notices import Notices
from control_plane.observability.metrics import observe_request
from control_plane.observability.router import router as metrics
from control_plane.operations.router import router as operations
from control_plane.platform import Platform
from control_plane.releases import service as releases
from control_plane.releases.describe import describe
from control_plane.releases.router import router as modules
from control_plane.releases.service import Offer
from control_plane.reseller_pages import customers as reseller_customers
from control_plane.reseller_pages import entrance as reseller_entrance
from control_plane.reseller_pages import organisation, selling
from control_plane.resellers import pages as storefronts
from control_plane.resellers import transfers_router as transfers
from control_plane.resellers.router import router as resellers
from control_plane.resellers.statements_router import router as statements
from control_plane.signup import pages as signup
from control_plane.standing.router import router as standing
from control_plane.stuck.router import router as stuck
from control_plane.support.router import everywhere as all_support
from control_plane.support.router import router as support
from control_plane.tenants.router import router as tenants
from control_plane.upgrades.router import router as upgrades
from control_plane.vault.router import router as vault
from control_plane.webhooks.router import router as webhooks
from dentalpin_kit.requests import RequestsLayer, RouteLayer

ROUTERS = (
    tenants,
    operations,
    accounts,
    audit,
    backup_checks,
    backups,
    billing.router,
    papers.router,
    billing.operators,
    billing.tariffs,
    blast_radius,
    drift,
    campaigns,
    clusters,
    compliance,
    database_servers,
    database_passwords,
    keys,
    leaving,
    law.router,
    law.tenants,
    mails,
    maintenance,
    modules,
    resellers,
    demos,
    domains,
    statements,
    transfers.clinic,
    transfers.reseller_door,
    sign_ins,
    standing,
    stuck,
    support,
    all_support,
    signing_keys,
    upgrades,
    vault,
    webhooks,
)
"""Everything under /v1, one a line. They are tried in this order: first what is asked most."""

log = logging.getLogger(__name__)
health = APIRouter(prefix="/health", tags=["health"])


@health.get("/live")
async def live() -> dict[str, str]:
    return {"status": "live"}


@health.get("/ready")
async def ready(platform: ThisPlatform) -> dict[str, str]:
    """Whether tenants can be planned: the database answers and a release is registered."""
    async with platform.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        release = await releases.newest(session, Offer.of(platform))
    return {"status": "ready", "release": release.id}


async def read_release(platform: Platform) -> None:
    """Register what the runtime's environment holds now. Raises what describing raises."""
    async with platform.reading:
        release_id, document = await describe(platform.settings.environment)
        async with platform.database.transaction() as session:
            await releases.register(session, release_id, document, environment=platform.settings.environment, at=platform.clock.now())


async def _read_release_at_start(platform: Platform) -> None:
    try:
        await read_release(platform)
    except errors.DomainError as error:
        # The API serves what it knows: /health/ready says whether that is enough, `POST /v1/releases/refresh` tries again.
        log.error("the runtime's environment could not be read: %s", error.message)


def serve(app: FastAPI, platform: Platform) -> None:
    """Let an application that serves nobody yet, or no longer, serve this platform: its routes are the same for each."""
    app.state.platform, app.state.clock = platform, platform.clock


def create_app(platform: Platform) -> FastAPI:
    """The application for a platform whose database is migrated. It closes the platform when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        platform: Platform = app.state.platform
        async with platform.database.transaction() as session:
            await editions.bring_in_official(session, platform)
            given = platform.settings.operator_key
            first = given.get_secret_value() if given is not None else key_in(platform.settings.first_key_file)
            await ensure_first_key(session, first, at=platform.clock.now())
        reading = asyncio.create_task(_read_release_at_start(platform), name="read the release")
        async with Notices(platform.database.url) as notices:
            app.state.notices = notices
            yield
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        await platform.close()

    app = FastAPI(
        title="DentalPin platform",
        version="1",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url="/v1/docs",
        redoc_url=None,
        middleware=[Middleware(RequestsLayer, observe=observe_request), Middleware(RouteLayer)],
        # FastAPI's own spans hold paths and queries; an invitation's token is one.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    serve(app, platform)
    errors.install_handlers(app)
    app.include_router(health)
    app.include_router(metrics)
    for router in ROUTERS:
        app.include_router(router, prefix="/v1", dependencies=[Depends(current_actor)])
    app.include_router(entrances, prefix="/v1")
    app.include_router(billing.ingress, prefix="/v1")
    app.include_router(oidc, prefix="/v1")
    signup.install(app)
    storefronts.install(app)
    downloads.install(app)
    for organisation_pages in (
        reseller_entrance.router,
        reseller_entrance.leaving,
        reseller_customers.router,
        selling.router,
        organisation.router,
    ):
        app.include_router(organisation_pages)
    for owners in (
        entrance.router,
        account_pages.router,
        billing_pages.router,
        data_pages.router,
        papers.pages,
        password_pages.router,
        subscription_pages.router,
        transfer_pages.router,
    ):
        app.include_router(owners)
    app.openapi = partial(openapi.describe, app)  # type: ignore[method-assign]  # as FastAPI documents it
    return app
