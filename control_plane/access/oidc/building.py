"""The provider the settings name."""

from control_plane.access.oidc.provider import Provider
from control_plane.config import Settings


def build_provider(settings: Settings) -> Provider | None:
    """None where no issuer or no client is named."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
    if secret is None and settings.oidc_client_secret_file is not None:
        secret = settings.oidc_client_secret_file.read_text(encoding="utf-8").strip()
    return Provider(settings.oidc_issuer, settings.oidc_client_id, secret)
