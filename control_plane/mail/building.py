from control_plane.config import Settings
from dentalpin_kit.mail import FolderMailer, Mailer, SmtpMailer


def build_mailer(settings: Settings) -> Mailer:
    """SMTP where an address is configured, else files in the mail folder."""
    if settings.smtp_url is not None:
        return SmtpMailer(settings.smtp_url.get_secret_value(), settings.mail_from)
    return FolderMailer(settings.mails, settings.mail_from)
