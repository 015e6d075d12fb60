"""How long the server waits for a request: who begins one and does not end it, or opens a connection and says nothing, is hung up on."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def patient(seconds: float) -> type[asyncio.Protocol]:
    """Return a protocol for uvicorn that hangs up after so many seconds without a whole request, and at most half as many more."""

    class Patient(H11Protocol):
        _seen: tuple[int, Any] | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(seconds / 2, self._look)

        def _look(self) -> None:
            if self.transport.is_closing():
                return
            state = self.conn.their_state
            is_heading = state is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
            now = (id(self.cycle), state) if is_heading or state is h11.SEND_BODY else None
            if now is not None and now == self._seen:
                self.transport.close()
                return
            self._seen = now
            self.loop.call_later(seconds / 2, self._look)

    return cast(type[asyncio.Protocol], Patient)
