"""Mail to clinic owners: files on disk where people and tests can read them, or SMTP."""

from control_plane.mail.building import build_mailer
from dentalpin_kit.mail import FolderMailer, Mail, Mailer, SmtpMailer

__all__ = ["FolderMailer", "Mail", "Mailer", "SmtpMailer", "build_mailer"]
