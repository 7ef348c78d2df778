"""A forgotten password: the link is made and mailed behind the request, so that its answer tells nobody whether the account exists."""

from typing import ClassVar

from sqlalchemy import select
from starlette.requests import Request

from app.config import Settings
from app.core.clinics.models import Clinic
from app.core.mail.room import MailRoom
from app.core.mail.texts import account_mail
from app.database import Database, current_unit, unit_of_work
from dentalpin_kit.problems import DomainError

from . import links, trail
from .models import Membership, User
from .state import auth_state
from .throttle import MAIL, MAIL_PEER
from .trail import Origin


class NoMailHere(DomainError):
    status: ClassVar[int] = 409
    code: ClassVar[str] = "no_mail_here"

    def __init__(self) -> None:
        super().__init__("This clinic's server sends no mail. Ask an administrator of the clinic for a link to set a new password.")


def can_mail(request: Request) -> bool:
    """Whether links can be mailed. Without the public address of this runtime a link would lead where the request's headers say."""
    settings: Settings = request.app.state.settings
    room: MailRoom = request.app.state.mail
    return room.open and settings.public_url is not None


async def ask(request: Request, email: str) -> None:
    """Mail a link if there is such an account. Raises NoMailHere, TooManyAttempts."""
    if not can_mail(request):
        raise NoMailHere
    auth, origin = auth_state(request), Origin.of(request)
    account = email.strip().lower()
    await auth.throttle.attempt([auth.throttle.bucket(MAIL, account), auth.throttle.bucket(MAIL_PEER, origin.peer)])
    room: MailRoom = request.app.state.mail
    base, database = str(request.app.state.settings.public_url), request.app.state.database
    unit = current_unit()
    assert unit is not None
    unit.after_commit(lambda: room.start(lambda: _mail_link(room, database, account, base, origin)))


async def _mail_link(room: MailRoom, database: Database, account: str, base: str, origin: Origin) -> None:
    async with unit_of_work(database=database) as session:
        query = (
            select(User.id, User.email, Clinic.name, Clinic.locale)
            .outerjoin(Membership, Membership.user_id == User.id)
            .outerjoin(Clinic, Clinic.id == Membership.clinic_id)
            .where(User.email == account, User.status == "active")
            .order_by(Membership.created_at)
            .limit(1)
        )
        found = (await session.execute(query)).one_or_none()
        if found is None:
            return
        link = await links.make(session, found.id, "password_reset")
        await trail.record(session, origin, "password_reset_asked", user_id=found.id)
    mail = account_mail(
        "password_reset",
        key=f"password-{link.id}",
        to=found.email,
        link=link.url(base),
        clinic=found.name or "DentalPin",
        locale=found.locale or "en",
    )
    await room.send(mail, link.id)
