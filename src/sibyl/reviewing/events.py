"""Messages to every open page, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

_ROOM = 200  # messages that wait for a page that does not read
_BEAT = 15.0  # seconds


class Events:
    """What is told to pages."""

    def __init__(self) -> None:
        self._listening: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self.closed = False

    def announce(self, message: dict[str, Any]) -> None:
        """Tell every page."""
        for waiting in self._listening:
            with suppress(asyncio.QueueFull):  # a page that was away asks anew when it is told anything
                waiting.put_nowait(message)

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield what is told, from now on, in the form that a browser's EventSource reads."""
        waiting: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_ROOM)
        self._listening.add(waiting)
        try:
            yield b"retry: 1000\n\n"
            while not self.closed:
                try:
                    message = await asyncio.wait_for(waiting.get(), _BEAT)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if message is None:
                    return
                yield f"data: {json.dumps(message, ensure_ascii=False)}\n\n".encode()
        finally:
            self._listening.discard(waiting)

    def close(self) -> None:
        """End all streams."""
        self.closed = True
        for waiting in self._listening:
            with suppress(asyncio.QueueFull):
                waiting.put_nowait(None)
