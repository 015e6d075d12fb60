"""A real server for tests: started as a person starts it, asked over real sockets."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PATIENCE = 240.0  # seconds; machines that test are busy


class Served:
    """A running ``sibyl review``.

    Parameters
    ----------
    arguments : str
        Of the command.
    """

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from sibyl.cli.app import main; main()", "review", *arguments, "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("Open "):
            self.process.wait(30)
            assert self.process.stderr is not None
            words = self.process.stderr.read()
            self._close_pipes()
            raise AssertionError(f"it did not start: {line}{words}")
        self._know(line.split()[1])

    @classmethod
    def at(cls, address: str) -> Served:
        """Ask a server that somebody else has started, and will end."""
        one = cls.__new__(cls)
        one._know(address)
        return one

    def _know(self, address: str) -> None:
        self.address = address
        self.host = address.removeprefix("http://").split("/")[0]
        self.token = address.split("#")[1]
        self.cookie = ""

    def ask(self, path: str, body: Any = None, *, method: str | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Send one request as it is, without the cookie's or any other help but what `headers` say."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method or ("GET" if data is None else "POST"), path, data, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content, {name.lower(): value for name, value in answer.getheaders()}

    def enter(self) -> None:
        """Trade the token for the cookie."""
        status, _, headers = self.ask("/enter", {"token": self.token}, x_sibyl="1", content_type="application/json")
        assert status == 200
        self.cookie = headers["set-cookie"].split(";")[0]

    def json(self, path: str, body: Any = None) -> Any:
        """Ask as the page does; the answer must be good."""
        status, answer = self.status(path, body)
        assert status == 200, answer
        return answer

    def status(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask as the page does."""
        if not self.cookie:
            self.enter()
        status, content, _ = self.ask(path, body, cookie=self.cookie, x_sibyl="1", content_type="application/json")
        return status, json.loads(content)

    def until(self, holds: Callable[[Any], bool]) -> Any:
        """Ask for the session until something holds of it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            session = self.json("/api/session")
            if holds(session):
                return session
            time.sleep(0.1)
        raise AssertionError(f"it never came: {session}")

    def ready(self) -> Any:
        """Wait until the pile is open."""
        return self.until(lambda session: session["ready"] or bool(session["trouble"]))

    def act(self, kind: str, rows: list[int], label: str | None = None, **more: Any) -> tuple[int, Any]:
        """Do what a person does."""
        saw = more.pop("saw", None)
        if saw is None:
            saw = self.json("/api/session")["revision"]
        body = {"id": more.pop("id", os.urandom(8).hex()), "saw": saw, "kind": kind, "rows": rows, **more}
        return self.status("/api/actions", body if label is None else {**body, "label": label})

    def solved(self, revision: int) -> Any:
        """Wait for guesses that know of an action."""
        return self.until(lambda session: session.get("solved", 0) >= revision)

    def columns(self) -> dict[str, Any]:
        """Fetch the columns of all items."""
        _, content, _ = self.ask("/api/columns", cookie=self.cookie)
        n = int.from_bytes(content[8:12], "little")
        found: dict[str, Any] = {}
        at = 20
        for name, kind in [("label", "<u2"), ("runner", "<u2"), ("alone", "<u2"), ("before", "<u2")] + [
            (name, "u1") for name in ("status", "sure", "margin", "outlier")
        ]:
            found[name] = np.frombuffer(content, kind, n, at)
            at += found[name].nbytes
        return found

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()
        self._close_pipes()

    def stop(self) -> None:
        """End it as Ctrl+C does, and keep what the terminal says."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.stdout is not None
            self.said = self.process.stdout.read()
            self.process.wait(60)
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def served(*arguments: str | Path) -> Iterator[Served]:
    """Start a server, and end it."""
    one = Served(*map(str, arguments))
    try:
        yield one
    finally:
        one.stop()


def ten_clusters(path: Path, n: int = 400, dim: int = 16, k: int = 5, seed: int = 0, spread: float = 0.5) -> dict[str, str]:
    """Write features of `k` clusters with names; return item → class."""
    draw = np.random.default_rng(seed)
    kinds = draw.integers(0, k, n)
    rows = draw.normal(size=(k, dim))[kinds] + spread * draw.normal(size=(n, dim))
    names = np.array([f"item {row:05}" for row in range(n)])
    np.savez(path, features=rows.astype(np.float32), ids=names)
    words = ["apple", "banana", "cherry", "damson", "elder", "fig", "grape", "hazel", "iris", "juniper"]
    return {str(name): words[kind] for name, kind in zip(names, kinds, strict=True)}
