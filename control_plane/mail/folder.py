"""Mails as .eml files, the embedded default. One file per mail; sending again overwrites it."""

import asyncio
import re
from pathlib import Path

from control_plane.access.service import write_secret
from control_plane.mail.base import Mail, message_of


class FolderMailer:
    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        content = message_of(mail, self._sender).as_bytes().decode("utf-8").replace("\r\n", "\n")
        # 0600: an invitation is a key to a clinic.
        await asyncio.to_thread(write_secret, self._folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', mail.key)}.eml", content)
