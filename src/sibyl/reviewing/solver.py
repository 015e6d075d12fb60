"""The server's side of the child process: ask, be told, start again if it dies."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sibyl.errors import DataError, SibylError
from sibyl.reviewing.frames import HEAD, Arrays, body_size, pack, unpack
from sibyl.reviewing.pile import Opening

Told = Callable[[dict[str, Any], Arrays], None]
_PATIENCE = 60.0  # seconds; two deaths within them are no accident
_PAUSE = 10.0


class Solver:
    """The child process, as the session sees it.

    Parameters
    ----------
    opening : Opening
        What the child opens, first and after each new start.
    told : callable
        Is given every message that answers no question: ``progress``, ``opened``, ``solved``, ``refused``, ``died``.
    """

    def __init__(self, opening: Opening, told: Told) -> None:
        self.opening = opening
        self._told = told
        self._process: Process | None = None
        self._questions: dict[int, asyncio.Future[tuple[dict[str, Any], Arrays]]] = {}
        self._number = 0
        self._deaths: list[float] = []
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.pid = 0

    def start(self) -> None:
        """Start the child, and again whenever it dies."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while not self._stopping:
            environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}  # threads that spin starve the page on a busy machine
            environment.setdefault("OMP_NUM_THREADS", str(max(1, min((os.cpu_count() or 2) - 1, 4))))
            command = [sys.executable, "-m", "sibyl.reviewing.child"]
            self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)
            self.pid = self._process.pid
            self._send({"do": "open", "opening": self.opening.plain()})
            await self._listen(self._process)
            for waiting in self._questions.values():
                if not waiting.done():
                    waiting.set_exception(DataError("the solver is starting again; labels are safe: try once more"))
            self._questions.clear()
            if self._stopping:
                return
            now = time.monotonic()
            self._deaths = [*(one for one in self._deaths if now - one < _PATIENCE), now]
            often = len(self._deaths) > 1
            words = f"the solver stopped (code {await self._process.wait()}) and is starting again; labels are safe"
            if often:
                words += ": it stopped twice within a minute; labelling goes on, and it is tried again every few seconds"
            self._told({"of": "died", "words": words}, {})
            if often:
                await asyncio.sleep(_PAUSE)

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = json.loads(await process.stdout.readexactly(HEAD.unpack(await process.stdout.readexactly(HEAD.size))[0]))
                message, arrays = unpack(head, await process.stdout.readexactly(body_size(head)))
                waiting = self._questions.pop(message.pop("number", None) or 0, None)
                if waiting is None:
                    self._told(message, arrays)
                elif waiting.cancelled():
                    continue
                elif message["of"] == "refused":
                    waiting.set_exception(DataError(message["words"]))
                else:
                    waiting.set_result((message, arrays))

    def _send(self, message: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise DataError("the solver is not there yet; labels are safe")
        with suppress(ConnectionError):
            self._process.stdin.write(pack(message))

    def solve(self, request: dict[str, Any]) -> None:
        """Ask for a solve; the answer is told."""
        self._send({"do": "solve", **request})

    async def ask(self, do: str, **fields: Any) -> tuple[dict[str, Any], Arrays]:
        """Ask a question and wait for its answer.

        Raises
        ------
        DataError
            If it cannot be answered, in a sentence.
        """
        self._number += 1
        waiting: asyncio.Future[tuple[dict[str, Any], Arrays]] = asyncio.get_running_loop().create_future()
        self._questions[self._number] = waiting
        try:
            self._send({"do": do, "number": self._number, **fields})
        except SibylError:
            del self._questions[self._number]
            raise
        return await waiting

    async def stop(self) -> None:
        """End the child."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._task is not None:
            with suppress(asyncio.CancelledError):
                self._task.cancel()
                await self._task
