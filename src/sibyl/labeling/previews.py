"""What a report shows of an item: a small picture, a text, or nothing but its name."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from sibyl.sources.images import quiet_decoding
from sibyl.sources.item import Item, Unreadable
from sibyl.sources.source import Source

SIDE = 176  # pixels of a thumbnail's longer side
MAX_LETTERS = 400


@dataclass(frozen=True)
class Preview:
    """One item, small.

    Parameters
    ----------
    picture : str
        Data URI of a JPEG, or empty.
    width, height : int
        Of the picture.
    text : str
        The item itself, cut where it is long, or empty.
    """

    picture: str = ""
    width: int = 0
    height: int = 0
    text: str = ""


def previews(source: Source, names: Sequence[str]) -> dict[str, Preview]:
    """Return previews of some items of a source; only these are read, several at once. What cannot be read has an empty one."""
    wanted = set(names)
    items = [item for item in source.items if item.name in wanted]
    if source.modality not in ("image", "text"):
        return dict.fromkeys(wanted, Preview())

    def preview(item: Item) -> Preview:
        try:
            content = item.read()
            if source.modality == "text":
                return Preview(text=_shortened(str(source.decode(content))))
            return _thumbnail(source.decode(content, min_side=SIDE))
        except Unreadable:  # it was readable when it was encoded: the file has gone or changed since
            return Preview()

    with quiet_decoding(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        made = pool.map(preview, items)
        return dict.fromkeys(wanted, Preview()) | {item.name: one for item, one in zip(items, made, strict=True)}


def _thumbnail(image: Image.Image) -> Preview:
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=74, optimize=True)
    return Preview("data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii"), image.width, image.height)


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= MAX_LETTERS else words[: MAX_LETTERS - 1] + "…"
