"""/account without being signed in: the form, the mailed link, and the page that uses it up only when its button is pressed."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from control_plane.access import signing_in
from control_plane.access.errors import SecondFactorNeeded
from control_plane.access.pages import LONGEST, typed
from control_plane.access.routing import ThisPlatform, refuse_foreign
from control_plane.access.schemas import Credentials
from control_plane.access.session_router import peer_of
from control_plane.account_pages import entering
from control_plane.account_pages.routing import AREA, PATH, refusal, render, said
from control_plane.account_pages.texts import words_of
from control_plane.audit import service as audit
from control_plane.errors import DomainError
from control_plane.tenants.schemas import InvitationRequest

router = APIRouter(prefix=PATH, include_in_schema=False)


@router.get("/sign-in")
async def show_sign_in(request: Request, after: str = PATH) -> Response:
    return render(request, "sign_in.html", after=AREA.inside(after), problem=None, sent=None)


@router.post("/sign-in")
async def sign_in(request: Request, platform: ThisPlatform) -> Response:
    """With a password, for whoever has set one."""
    given = await typed(request, "email", "password", "code", "after")
    try:
        refuse_foreign(request, platform)
        body = Credentials.model_validate({"email": given["email"], "password": given["password"], "code": given["code"] or None})
        signed_in = await signing_in.sign_in(
            platform, platform.passwords, email=body.email, password=body.password, code=body.code, peer=peer_of(request)
        )
        async with platform.database.transaction() as session:
            await entering.adopt(session, signed_in.account, at=platform.clock.now())
            audit.record(session, entering.person(signed_in.account), "session.begun", at=platform.clock.now(), by="password")
    except ValidationError:
        return render(request, "sign_in.html", 422, after=AREA.inside(given["after"]), problem=words_of(request)("error.email"), sent=None)
    except DomainError as error:
        return render(request, "sign_in.html", error.status, after=AREA.inside(given["after"]), problem=said(request, error), sent=None)
    answer = RedirectResponse(AREA.inside(given["after"]), 303)
    AREA.give_cookie(answer, platform, signed_in)
    return answer


@router.post("/link")
async def ask_for_link(request: Request, platform: ThisPlatform) -> Response:
    """The answer is the same whether there is such an account or not."""
    given = await typed(request, "email")
    say = words_of(request)
    try:
        refuse_foreign(request, platform)
        address = str(InvitationRequest.model_validate({"owner_email": given["email"]}).owner_email)
        await entering.mail_link(platform, address, peer=peer_of(request), locale=say.language)
    except ValidationError:
        return render(request, "sign_in.html", 422, after=PATH, problem=say("error.email"), sent=None)
    except DomainError as error:
        return refusal(request, error)
    return render(request, "sign_in.html", after=PATH, problem=None, sent=given["email"])


@router.get("/enter")
async def show_link(request: Request, token: Annotated[str, Query(max_length=LONGEST)] = "") -> Response:
    """Looking uses nothing up: programs that check mails follow links."""
    return render(request, "enter.html", token=token, problem=None, code=False)


@router.post("/enter")
async def use_link(request: Request, platform: ThisPlatform) -> Response:
    given = await typed(request, "token", "code")
    try:
        refuse_foreign(request, platform)
        signed_in = await entering.enter(platform, given["token"], code=given["code"] or None, peer=peer_of(request))
    except DomainError as error:
        wants_code = isinstance(error, SecondFactorNeeded)
        wants_code = wants_code or bool(given["code"])
        return render(request, "enter.html", error.status, token=given["token"], problem=said(request, error), code=wants_code)
    answer = RedirectResponse(PATH, 303)
    AREA.give_cookie(answer, platform, signed_in)
    return answer
