"""Pages of a sign-up that waits for a card: what is left to do, the way to the provider's page, and back."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from control_plane.access.routing import ThisPlatform
from control_plane.errors import DomainError
from control_plane.plans import service as plans
from control_plane.platform import Platform
from control_plane.signup import reserving, service
from control_plane.signup.errors import PageUnknown
from control_plane.signup.forms import TOKEN
from control_plane.signup.models import Reservation
from control_plane.signup.rendering import HEADERS, render
from control_plane.signup.states import ReservationState
from control_plane.signup.terms import Payment, Terms
from control_plane.signup.texts import speech_of

router = APIRouter(prefix="/signup", include_in_schema=False)
Token = Annotated[str, Path(pattern=f"^{TOKEN.pattern}$")]
SEEN: Final = "card-"
"""What these pages say they have seen begins so."""


async def leave(platform: Platform, reservation_id: UUID, token: str) -> Response:
    """On to the provider's page; where there is none just now, to our own, which says so and lets people try again."""
    try:
        await reserving.ensure_page(platform, reservation_id, back=service.address_of(platform, token))
    except PageUnknown:
        return RedirectResponse(f"/signup/{token}", 303)
    except DomainError as error:
        await reserving.put_off(platform, reservation_id, error)
        return RedirectResponse(f"/signup/{token}", 303)
    return RedirectResponse(f"/signup/{token}/card", 303)


async def waiting(token: str, request: Request, platform: Platform, *, back: bool = False, problem: str | None = None) -> Response | None:
    """The page of a sign-up that waits for its card or came to nothing; None for a clinic's."""
    async with platform.database.transaction() as session:
        reservation = await service.reservation_of(session, platform, token)
        if reservation is None:
            return None
        if back:
            await reserving.nudge(session, reservation, at=platform.clock.now())
        trial = await _trial_offered(session, platform)
    return _page(request, platform, reservation, token, trial=trial, back=back, problem=problem)


async def changed(token: str, platform: Platform, seen: str) -> Response:
    """204 while the page is still what was seen; else it is loaded anew."""
    async with platform.database.transaction() as session:
        reservation = await service.reservation_of(session, platform, token)
    if reservation is not None and seen == _seen(reservation):
        return Response(status_code=204, headers=HEADERS)
    return Response(headers={**HEADERS, "HX-Refresh": "true"})


@router.get("/{token}/card")
async def show_way(token: Token, request: Request, platform: ThisPlatform) -> Response:
    """Sends on to the provider's page. A step of its own, since a form may lead to this site only."""
    async with platform.database.transaction() as session:
        reservation = await service.reservation_of(session, platform, token)
    if reservation is None or reservation.state is not ReservationState.WAITING or reservation.page is None:
        return RedirectResponse(f"/signup/{token}", 303)
    return render("leaving.html", say=speech_of(request), address=reservation.page, demonstration=platform.payments.demonstration)


@router.post("/{token}/card")
async def ask_again(token: Token, platform: ThisPlatform) -> Response:
    """Go on by the link in the mail: to the provider's page, to another one where the one before is over."""
    async with platform.database.transaction() as session:
        reservation = await service.reservation_of(session, platform, token)
    if reservation is None:
        return RedirectResponse(f"/signup/{token}", 303)
    return await leave(platform, reservation.id, token)


@router.post("/{token}/trial")
async def begin_without_card(token: Token, request: Request, platform: ThisPlatform) -> Response:
    """Open the clinic at once and try it first, where this platform offers that."""
    async with platform.database.transaction() as session:
        reservation = await service.reservation_of(session, platform, token)
        trial = await _trial_offered(session, platform)
    if reservation is not None and trial and reservation.state is ReservationState.WAITING:
        try:
            await reserving.open_without_card(platform, reservation.id)
        except DomainError as error:
            shown = await waiting(token, request, platform, problem=error.message)
            return shown or RedirectResponse(f"/signup/{token}", 303)
    return RedirectResponse(f"/signup/{token}", 303)


async def _trial_offered(session: AsyncSession, platform: Platform) -> bool:
    today = platform.clock.today()
    return Payment.TRIAL in Terms.of(await plans.current(session, today), service.doors(platform), today).choices


def _seen(reservation: Reservation) -> str:
    return f"{SEEN}{reservation.state.value}"


def _page(
    request: Request, platform: Platform, reservation: Reservation, token: str, *, trial: bool, back: bool, problem: str | None
) -> HTMLResponse:
    return render(
        "waiting.html",
        409 if problem else 200,
        say=speech_of(request),
        token=token,
        reservation=reservation,
        seen=_seen(reservation),
        back=back,
        trial=trial,
        until=reservation.deadline.date(),
        problem=problem or reservation.reason,
        demonstration=platform.payments.demonstration,
    )
