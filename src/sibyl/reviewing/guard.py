"""Who may speak to the server: the browser tab that holds the token, and nobody else on the machine or on the network."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 1 << 20
OPEN = ("/enter", "/static/enter.js", "/static/review.css", "/static/icon.svg")
"""What is answered without the cookie: the page that trades the token for it."""
_HOSTS = ("127.0.0.1", "localhost")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Guard:
    """Checks every request before anything else sees it.

    The host must be one of ours, lest a foreign name that points here (DNS rebinding) speaks for the page; an origin, where one comes,
    too; a browser must not say that another site asks; the cookie must hold the token; and what changes something must carry a header
    and a kind of content that no foreign form can send.

    Parameters
    ----------
    app : callable
        What is guarded.
    token : str
        The secret.
    port : int
        Names the cookie, since ports share cookies.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app, self._token = app, token
        self.cookie = f"sibyl-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with a refusal."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = _headers(scope["headers"])
        refused = self._refusal(scope["method"], scope["path"], headers)
        if refused is not None:
            await _answer(self._sealed(send), *refused)
            return
        await self._app(scope, _bounded(receive), self._sealed(send))

    def _refusal(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        if headers.get("host", "").rsplit(":", 1)[0] not in _HOSTS:
            return 403, "this server answers to 127.0.0.1 and localhost alone"
        origin = headers.get("origin")
        if origin is not None and origin.split("://", 1)[-1] != headers["host"]:
            return 403, "another site may not ask"
        is_door = method == "GET" and path == "/enter"  # a link in a notebook may lead there: it holds no secret and does nothing
        if not is_door and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "another site may not ask"
        if method not in ("GET", "HEAD", "POST"):
            return 405, "expected GET or POST"
        if method == "POST":
            if headers.get("x-sibyl") != "1" or headers.get("content-type", "").split(";")[0] != "application/json":
                return 403, "expected JSON from the page itself"
            if int(headers.get("content-length") or MAX_BODY + 1) > MAX_BODY:
                return 413, f"a request may have {MAX_BODY >> 20} MiB"
        if path in OPEN:
            return None
        given = _cookies(headers.get("cookie", "")).get(self.cookie, "")
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            return 401, "open the address that the command printed"
        return None

    def _sealed(self, send: Send) -> Send:
        """Add the headers that close the page to others."""

        async def sealed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"content-security-policy", _POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cross-origin-opener-policy", b"same-origin"),
                    (b"cross-origin-resource-policy", b"same-origin"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        return sealed


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _cookies(line: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in line.split(";"))
    return {name: value for name, equals, value in pairs if equals}


def _bounded(receive: Receive) -> Receive:
    """Cut a body off that is longer than it said."""
    seen = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > MAX_BODY:
                return {"type": "http.disconnect"}
        return message

    return bounded


async def _answer(send: Send, status: int, words: str) -> None:
    body = json.dumps({"error": words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
