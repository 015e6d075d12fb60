"""The routes. Each is a line or two: what they do stands in `actions` and `answers`, who may ask in `guard`."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from sibyl.errors import DataError, SibylError
from sibyl.reviewing.actions import Actions, Conflict
from sibyl.reviewing.answers import Answers
from sibyl.reviewing.events import Events
from sibyl.reviewing.guard import App, Guard
from sibyl.reviewing.session import NotReady, Session
from sibyl.sources.item import Unreadable

_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
_ANEW = {"cache-control": "no-store"}
Handler = Callable[[Request], Awaitable[Response]]


@cache
def page_files() -> dict[str, bytes]:
    """Return the page's own files; nothing else is ever served as a file."""
    return {file.name: file.read_bytes() for file in files("sibyl.reviewing").joinpath("page").iterdir() if "." in file.name}


@cache
def version() -> str:
    """Return a name for this state of the page's files."""
    return hashlib.sha256(b"".join(body for _, body in sorted(page_files().items()))).hexdigest()[:12]


def review_app(session: Session, events: Events, token: str, port: int) -> App:
    """Put the routes together, behind the guard."""
    actions, answers = Actions(session), Answers(session)

    async def body(request: Request) -> dict[str, Any]:
        try:
            given = await request.json()
        except (ValueError, UnicodeDecodeError):
            raise DataError("expected JSON") from None
        if not isinstance(given, dict):
            raise DataError("expected a JSON object")
        return given

    def told(value: object) -> Response:
        return JSONResponse(value, headers=_ANEW)

    async def page(request: Request) -> Response:
        return Response(page_files()["index.html"].replace(b"VERSION", version().encode()), media_type="text/html", headers=_ANEW)

    async def enter_page(request: Request) -> Response:
        return Response(page_files()["enter.html"].replace(b"VERSION", version().encode()), media_type="text/html", headers=_ANEW)

    async def enter(request: Request) -> Response:
        given = str((await body(request)).get("token", ""))
        if not secrets.compare_digest(given.encode(), token.encode()):
            return JSONResponse({"error": "this address is of an earlier start; open the one that the command printed"}, 401)
        answer = told({"ok": True})
        answer.set_cookie(guard.cookie, token, httponly=True, samesite="strict")
        return answer

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in page_files():
            return JSONResponse({"error": "no such file"}, 404)
        kind = _KINDS.get(name[name.rindex(".") :], "application/octet-stream")
        return Response(page_files()[name], media_type=kind, headers={"cache-control": "no-cache", "etag": f'"{version()}"'})

    async def state(request: Request) -> Response:
        return told(answers.session())

    async def columns(request: Request) -> Response:
        since = request.query_params.get("since", "last")
        return Response(answers.columns(since), media_type="application/octet-stream", headers=_ANEW)

    async def places(request: Request) -> Response:
        return Response(await answers.places(), media_type="application/octet-stream", headers=_ANEW)

    async def queue(request: Request) -> Response:
        asked = request.query_params
        return told(answers.queue(min(int(asked.get("n", "12")), 100), asked.get("checks") == "1"))

    async def items(request: Request) -> Response:
        return told(answers.items(_numbers(request, "rows")))

    async def similar(request: Request) -> Response:
        return told(await answers.similar(_numbers(request, "rows"), min(int(request.query_params.get("n", "200")), 5000)))

    async def search(request: Request) -> Response:
        return told(answers.search(request.query_params.get("q", "")[:1000]))

    async def heaps(request: Request) -> Response:
        return told(await answers.heaps())

    async def trust(request: Request) -> Response:
        return told(await answers.trust(float(request.query_params.get("goal", "0.95"))))

    async def history(request: Request) -> Response:
        before = request.query_params.get("before")
        return told(answers.history(int(before) if before else None))

    def picture(kind: str, media: str) -> Handler:
        async def answer(request: Request) -> Response:
            row = int(request.path_params["row"])
            if not session.ready or row >= len(session.names) or session.texts is not None:
                return JSONResponse({"error": "no such item"}, 404)
            try:
                made = await getattr(session.thumbnails, kind)(row)
            except (Unreadable, IndexError) as error:
                return JSONResponse({"error": f"cannot be read any more: {error}"}, 404)
            return Response(made, media_type=media, headers=_FOREVER)

        return answer

    async def act(request: Request) -> Response:
        return told(await actions.act(await body(request)))

    async def undo(request: Request) -> Response:
        return told(await actions.undo(await body(request)))

    async def redo(request: Request) -> Response:
        return told(await actions.undo(await body(request), redo=True))

    async def classes(request: Request) -> Response:
        return told(await actions.change_classes(await body(request)))

    async def offer(request: Request) -> Response:
        return told(await actions.take_offer())

    async def finish(request: Request) -> Response:
        formats = (await body(request)).get("formats") or []
        if not isinstance(formats, list):
            raise DataError("expected a list of formats")
        return told({"written": await actions.finish([str(name) for name in formats])})

    async def stream(request: Request) -> Response:
        return StreamingResponse(events.stream(), media_type="text/event-stream", headers=_ANEW)

    async def home(request: Request) -> Response:
        return RedirectResponse("/")

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        session.solver.start()
        try:
            yield
        finally:
            await session.stop()

    get = [
        ("/", page), ("/enter", enter_page), ("/static/{name}", static), ("/api/session", state), ("/api/columns", columns),
        ("/api/places", places), ("/api/queue", queue), ("/api/items", items), ("/api/similar", similar), ("/api/search", search),
        ("/api/heaps", heaps), ("/api/trust", trust), ("/api/history", history), ("/api/events", stream),
        ("/api/small/{row:int}", picture("small", "image/jpeg")), ("/api/large/{row:int}", picture("large", "image/jpeg")),
        ("/api/sound/{row:int}", picture("sound", "audio/wav")),
    ]  # fmt: skip
    post = [
        ("/enter", enter), ("/api/actions", act), ("/api/undo", undo), ("/api/redo", redo), ("/api/classes", classes),
        ("/api/offer", offer), ("/api/finish", finish),
    ]  # fmt: skip
    routes = [
        *(Route(path, one, methods=["GET"]) for path, one in get),
        *(Route(path, one, methods=["POST"]) for path, one in post),
    ]
    errors = {SibylError: _refused, ValueError: _refused}
    guard = Guard(Starlette(routes=routes, exception_handlers=errors, lifespan=life), token, port)
    return guard


def _numbers(request: Request, name: str) -> list[int]:
    try:
        return [int(part) for part in request.query_params.get(name, "").split(",") if part]
    except ValueError:
        raise DataError(f"{name}: expected numbers") from None


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, Conflict):
        return JSONResponse({"error": str(error), "conflict": error.items}, 409)
    if isinstance(error, NotReady):
        return JSONResponse({"error": str(error)}, 503)
    words = str(error) if isinstance(error, SibylError) else "expected numbers"
    return Response(json.dumps({"error": words}), 400, media_type="application/json")
