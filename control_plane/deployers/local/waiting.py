"""What the supervisor itself answers on a tenant's socket while no process can: 503, with a page for people and JSON for programs."""

import html
import json

from control_plane.deployers.local.http import Request, Response

RETRY_SECONDS = 3

STARTING = ("starting", "is starting", "This page tries again by itself.")
FAILING = ("not_available", "cannot start at the moment", "The people who run it can see why. This page tries again by itself.")
STOPPED = ("stopped", "is switched off", "Ask the people who run it when it will be back.")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{retry}"><title>{name}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto 0;padding:0 1rem;color:#1c2b33}}
h1{{font-size:1.4rem}}</style>
</head><body><main><h1>{name} {what}</h1><p>{advice}</p></main></body></html>
"""


def waiting_answer(request: Request, name: str, kind: tuple[str, str, str]) -> Response:
    """`kind` is one of STARTING, FAILING and STOPPED. Never the reason of a failure: that is for the platform's people."""
    code, what, advice = kind
    headers = (("Retry-After", str(RETRY_SECONDS)), ("Cache-Control", "no-store"))
    if "text/html" in request.headers.get("accept", ""):
        page = _PAGE.format(retry=RETRY_SECONDS, name=html.escape(name), what=what, advice=advice)
        return Response(503, page.encode(), "text/html; charset=utf-8", headers)
    body = {"data": None, "message": f"{name} {what}. {advice}", "errors": [{"code": code}]}
    return Response(503, json.dumps(body).encode(), "application/json", headers)
