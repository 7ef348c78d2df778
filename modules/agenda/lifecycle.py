"""Hooks of the processor. The default cabinet comes from data/default_cabinets.yaml, in clinics created later too."""

from app.core.plugins import ModuleContext


async def install(ctx: ModuleContext) -> None:
    ctx.logger.info("agenda installed")


async def uninstall(ctx: ModuleContext) -> None:
    ctx.logger.info("agenda uninstalling")


async def post_upgrade(ctx: ModuleContext, from_version: str) -> None:
    ctx.logger.info("agenda upgraded from %s", from_version)
