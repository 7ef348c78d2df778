"""Mails on disk and by SMTP."""

import asyncio
import email
import email.policy
import stat

import pytest

from control_plane.errors import TemporaryError
from control_plane.mail import FolderMailer, SmtpMailer
from control_plane.mail.invitations import invitation_mail

LINK = "http://clinic.example/welcome?token=" + "a1B2-" * 120
MAIL = invitation_mail(key="invitation-sol-1", to="ana@sol.example", clinic="Clínica Sol", link=LINK, days=7, locale="es-ES")


async def test_a_mail_on_disk_is_readable_and_its_link_is_whole(tmp_path):
    await FolderMailer(tmp_path, "DentalPin <no-reply@dentalpin.example>").send(MAIL)

    (file,) = tmp_path.glob("*.eml")
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert LINK in file.read_text().splitlines()
    assert (message["To"], message["Subject"]) == ("ana@sol.example", "Su clínica Clínica Sol está lista")
    assert message["Message-ID"] == "<invitation-sol-1@dentalpin.example>"


async def test_the_same_mail_again_is_no_second_one(tmp_path):
    mailer = FolderMailer(tmp_path, "no-reply@dentalpin.example")
    await mailer.send(MAIL)
    await mailer.send(MAIL)
    assert len(list(tmp_path.iterdir())) == 1


async def test_a_language_the_platform_does_not_speak_gets_english():
    mail = invitation_mail(key="k", to="a@b.example", clinic="Sonne", link=LINK, days=7, locale="de-DE")
    assert mail.subject == "Your clinic Sonne is ready"


class Postbox:
    """A mail server that says yes to everything."""

    def __init__(self) -> None:
        self.received = b""

    async def serve(self, reader, writer):
        writer.write(b"220 postbox\r\n")
        in_data = False
        while line := await reader.readline():
            if in_data:
                self.received += line
                in_data = line != b".\r\n"
                writer.write(b"" if in_data else b"250 ok\r\n")
            elif line.upper().startswith(b"DATA"):
                in_data = True
                writer.write(b"354 go on\r\n")
            else:
                writer.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")


async def test_a_mail_goes_out_by_smtp():
    postbox = Postbox()
    server = await asyncio.start_server(postbox.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await SmtpMailer(f"smtp://127.0.0.1:{port}", "no-reply@dentalpin.example").send(MAIL)
    server.close()

    assert b"To: ana@sol.example" in postbox.received
    assert LINK.encode() in postbox.received.replace(b"=\r\n", b"").replace(b"=3D", b"=")


async def test_a_mail_server_that_is_away_is_a_temporary_matter():
    with pytest.raises(TemporaryError, match="tried again"):
        await SmtpMailer("smtp://127.0.0.1:1", "no-reply@dentalpin.example").send(MAIL)


def test_an_address_that_is_none_is_refused_at_start():
    with pytest.raises(ValueError, match="DENTALPIN_SMTP_URL"):
        SmtpMailer("localhost:25", "no-reply@dentalpin.example")
