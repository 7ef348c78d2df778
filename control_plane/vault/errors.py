from typing import ClassVar

from control_plane.errors import DomainError


class VaultKeyUnknown(DomainError):
    """Sealed with a key that this ring does not hold: it was restored without it, or belongs to another platform."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "vault_key_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The vault's key {name!r} is missing. Put the ring that was kept with the backup of the platform's database back "
            f"(keys/vault.json, or DENTALPIN_VAULT_KEYS).",
            vault_key=name,
        )


class SealBroken(DomainError):
    """What was sealed has been altered, or was sealed for another place."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "vault_seal_broken"

    def __init__(self, context: str) -> None:
        super().__init__(
            f"The sealed value of {context} was altered or belongs elsewhere. Restore it from a backup, or make a new one.", context=context
        )


class TenantKeyDestroyed(DomainError):
    status: ClassVar[int] = 410
    code: ClassVar[str] = "tenant_key_destroyed"

    def __init__(self, tenant_id: str) -> None:
        super().__init__(
            "This tenant's data was erased: its key was destroyed, and what was encrypted with it cannot be read by anybody.",
            tenant_id=tenant_id,
        )
