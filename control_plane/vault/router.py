"""/v1/vault: the names and ages of the keys that seal secrets, never the keys; rotation on request."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from control_plane.access.requires import Guards
from control_plane.access.routing import CurrentActor, PlatformRoute, Session, ThisPlatform
from control_plane.audit import service as audit
from control_plane.vault.rotating import rotate

router = APIRouter(prefix="/vault", tags=["vault"], route_class=PlatformRoute, dependencies=[Guards("vault")])


class VaultKeyOut(BaseModel):
    name: str
    made_at: datetime | None
    seals: bool


class VaultOut(BaseModel):
    """The ring, newest key first. `kept_elsewhere`: it comes from DENTALPIN_VAULT_KEYS and is rotated there."""

    kept_elsewhere: bool
    keys: list[VaultKeyOut]


class RotationOut(BaseModel):
    key: str
    resealed: int
    dropped: list[str]


@router.get("")
async def get_vault(platform: ThisPlatform) -> VaultOut:
    keys = platform.vault.ring.keys
    shown = [VaultKeyOut(name=key.name, made_at=key.made_at, seals=place == 0) for place, key in enumerate(keys)]
    return VaultOut(kept_elsewhere=platform.vault.ring.kept_elsewhere, keys=shown)


@router.post("/rotate")
async def rotate_now(session: Session, actor: CurrentActor, platform: ThisPlatform) -> RotationOut:
    """Make a new key and seal every stored secret with it. Where the ring is kept elsewhere: seal with the key that stands first there."""
    now = platform.clock.now()
    done = await rotate(session, platform.vault, at=now)
    audit.record(session, actor, "vault.rotated", at=now, key=done.key, resealed=done.resealed, dropped=list(done.dropped))
    return RotationOut(key=done.key, resealed=done.resealed, dropped=list(done.dropped))
