"""Mails that were sent, as their reader finds them: files in a folder, which is where they go without an SMTP server."""

import email
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path


def texts_to(folder: Path, address: str) -> Iterator[str]:
    """Subject and text of every mail to this address, the newest first."""
    for file in sorted(folder.rglob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = mail.get_body(("plain",))
        if address in str(mail["To"]) and body is not None:
            yield f"{mail['Subject']}\n{body.get_content()}"


def link_to(folder: Path, address: str, path: str) -> str:
    """The address in the newest mail that leads to `path`, a regular expression."""
    for text in texts_to(folder, address):
        if found := re.search(rf"https?://[^\s/]+{path}", text):
            return found.group()
    raise AssertionError(f"no mail to {address} leads to {path}: {[text.partition(chr(10))[0] for text in texts_to(folder, address)]}")
