"""Mail to clinic owners: files on disk where people and tests can read them, or SMTP."""

from control_plane.mail.base import Mail, Mailer
from control_plane.mail.building import build_mailer
from control_plane.mail.folder import FolderMailer
from control_plane.mail.smtp import SmtpMailer

__all__ = ["FolderMailer", "Mail", "Mailer", "SmtpMailer", "build_mailer"]
