"""Small and large pictures of items, decoded and encoded again, two at a time, kept in memory up to a bound."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sibyl.reviewing import showing
from sibyl.sources.folder_items import FolderItems
from sibyl.sources.item import Item

ROOM = 96 << 20  # bytes


class Thumbnails:
    """What shows the items of a pile.

    Parameters
    ----------
    items : sequence of Item
        By row.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[str, int], asyncio.Future[bytes]] = {}
        self._pool = ThreadPoolExecutor(2)

    @classmethod
    def of(cls, names: Sequence[str], shown: Mapping[str, Any]) -> Thumbnails:
        """Show what the child says of items: ``below`` which folder they lie, or in which ``places``; the others have no pictures."""
        if "below" in shown:
            return cls(FolderItems(Path(shown["below"]), tuple(names)))
        return cls(
            [Item(name, Path(place)) for name, place in zip(names, shown["places"], strict=True)] if "places" in shown else ()
        )

    async def small(self, row: int) -> bytes:
        """JPEG for a grid; raises `Unreadable`."""
        return await self._made("small", row, lambda content: showing.picture(content, showing.SMALL))

    async def large(self, row: int) -> bytes:
        """JPEG for a look at one item; raises `Unreadable`."""
        return await self._made("large", row, lambda content: showing.picture(content, showing.LARGE))

    async def sound(self, row: int) -> bytes:
        """WAV; raises `Unreadable`."""
        return await self._made("sound", row, showing.sound)

    async def _made(self, kind: str, row: int, make: Callable[[bytes], bytes]) -> bytes:
        key = (kind, row)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._making:  # asked for twice, made once
            loop = asyncio.get_running_loop()
            self._making[key] = loop.run_in_executor(self._pool, lambda: make(self._items[row].read()))
        try:
            made = await asyncio.shield(self._making[key])
        finally:
            if key in self._making and self._making[key].done():
                del self._making[key]
        if key not in self._kept:
            self._kept[key] = made
            self._size += len(made)
            while self._size > ROOM:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
