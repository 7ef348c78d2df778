from typing import ClassVar
from uuid import UUID

from control_plane.errors import Conflict, NotFound


class UnknownMail(NotFound):
    code: ClassVar[str] = "unknown_mail"

    def __init__(self, mail_id: UUID) -> None:
        super().__init__(f"There is no mail {mail_id}. List them with `GET /v1/mails`.", mail=str(mail_id))


class MailNotFailed(Conflict):
    code: ClassVar[str] = "mail_not_failed"

    def __init__(self, mail_id: UUID, state: str) -> None:
        super().__init__(f"The mail {mail_id} is {state}; only a failed one can be sent again.", mail=str(mail_id), state=state)
