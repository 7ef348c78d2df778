"""Hooks of the processor. Nothing to provision: the tables are all there is."""

from app.core.plugins import ModuleContext


async def install(ctx: ModuleContext) -> None:
    ctx.logger.info("patients installed")


async def uninstall(ctx: ModuleContext) -> None:
    ctx.logger.info("patients uninstalling")


async def post_upgrade(ctx: ModuleContext, from_version: str) -> None:
    ctx.logger.info("patients upgraded from %s", from_version)
