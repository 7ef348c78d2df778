"""Every router of the core that a serving process adds to the application: what it serves, and what the references and checks look at."""

from fastapi import APIRouter


def serving_routers() -> tuple[APIRouter, ...]:
    """With their full paths. Imported when asked for: `create_app` alone does not need them."""
    from app.core import health
    from app.core.observability.router import router as metrics_router
    from app.core.occupancy.router import router as occupancy_router
    from app.core.plugins.router import router as modules_router
    from app.core.runtime.router import router as platform_router

    return (health.router, metrics_router, platform_router, occupancy_router, modules_router)
