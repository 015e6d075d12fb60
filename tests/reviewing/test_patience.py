"""Requests that never end are cut off, over real sockets; those that come in pieces are answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sibyl.reviewing.guard import Guard
from sibyl.reviewing.serve import SLOW

pytest.importorskip("uvicorn")

PATIENCE = 0.6
HEAD = "POST /x HTTP/1.1\r\nHost: {}\r\nX-Sibyl: 1\r\nContent-Type: application/json\r\nCookie: sibyl-1=secret\r\n"


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """A server that reads a body and says how long it was, with little patience."""
    import uvicorn

    from sibyl.reviewing.patience import patient

    async def app(scope: Any, receive: Any, send: Any) -> None:
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(length).encode()})

    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(Guard(app, "secret", 1), http=patient(PATIENCE), ws="none", log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield listening.getsockname()
    server.should_exit = True
    thread.join(30)


def test_the_command_waits_half_a_minute() -> None:
    assert SLOW == 30


@pytest.mark.parametrize("begun", ["", "GET / HT", HEAD, HEAD + "Content-Length: 1000\r\n\r\n{"])
def test_who_does_not_end_is_hung_up_on(address: tuple[str, int], begun: str) -> None:
    with socket.create_connection(address, timeout=60) as slow:
        slow.sendall(begun.replace("{}", f"127.0.0.1:{address[1]}").encode())
        assert slow.recv(10) == b""


def test_a_second_request_on_a_connection_is_cut_off_too(address: tuple[str, int]) -> None:
    head = HEAD.format("127.0.0.1")
    with socket.create_connection(address, timeout=60) as slow:
        slow.sendall(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
        assert b" 200 " in slow.recv(1000)
        slow.sendall(head.encode())
        while slow.recv(1000):
            pass


def test_a_body_in_pieces_is_put_together(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=60) as one:
        one.sendall(HEAD.format("127.0.0.1").encode() + b"Content-Length: 6\r\n\r\n")
        for piece in (b"ab", b"cd", b"ef"):
            one.sendall(piece)
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += one.recv(1000)
        assert b"\r\n6\r\n" in answer


@pytest.mark.parametrize(
    ("length", "status"),
    [("Content-Length: 1048577", b" 413 "), ("Transfer-Encoding: chunked", b" 413 "), ("Content-Length: 1048576", b"")],
)
def test_what_is_too_long_is_refused_before_it_is_read(address: tuple[str, int], length: str, status: bytes) -> None:
    with socket.create_connection(address, timeout=60) as one:
        one.sendall(HEAD.format("127.0.0.1").encode() + f"{length}\r\n\r\n".encode())
        assert status in one.recv(1000)  # of what is allowed nothing comes, and it is hung up on
