"""How the items of a pile are shown: where their files lie, their texts, pictures and sounds encoded again.

`shown` runs in the child process, which holds the pile; `picture` and `sound` run in the server. Nothing heavy is imported before it is needed.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from sibyl.sources.folder_items import FolderItems
from sibyl.sources.item import Item, Unreadable

if TYPE_CHECKING:
    from sibyl.reviewing.pile import Pile
    from sibyl.sources.source import Source

SMALL, LARGE = 176, 1600  # pixels of a picture's longer side
SECONDS = 30  # of a clip that are played
_SHOWN_TEXT = 20_000  # letters


def shown(pile: Pile) -> dict[str, Any]:
    """Say how the items are shown: where the files lie, or their texts.

    Returns
    -------
    mapping
        ``below`` (a folder under which each name is a file), ``places`` (a path for each row), or ``texts`` (one for each row); nothing
        of that for features.
    """
    if pile.source.modality == "features":
        return {}
    if pile.source.modality == "table":
        return {"texts": _cells(pile)}
    items = pile.source.items
    if pile.source.modality != "text" and isinstance(items, FolderItems):
        return {"below": str(pile.source.root.absolute())}
    item_of = {item.name: item for item in items}
    if pile.source.modality == "text":
        return {"texts": [_text(pile.source, item_of[name]) for name in pile.names]}
    return {"places": [str(item_of[name].path.absolute()) for name in pile.names]}


def _text(source: Source, item: Item) -> str:
    try:
        return str(source.decode(item.read()))[:_SHOWN_TEXT]
    except Unreadable as error:
        return f"({error})"


def _cells(pile: Pile) -> list[str]:
    from sibyl.sources.table_files import cell_text

    frame = pile.source.frame
    if frame is None:
        return list(pile.names)
    columns = {str(column): [cell_text(value) for value in frame[column].reindex(list(pile.names))] for column in frame.columns}
    return [json.dumps({name: cells[row] for name, cells in columns.items()}, ensure_ascii=False) for row in range(len(pile.names))]


def picture(content: bytes, side: int) -> bytes:
    """Decode a picture and encode it again, at most `side` pixels long: none of a file's own bytes reach the page.

    Raises
    ------
    Unreadable
        If it is no picture.
    """
    from sibyl.sources.images import decode_image, quiet_decoding

    with quiet_decoding():
        image = decode_image(content, min_side=side)
    image.thumbnail((side, side))
    image.info = {}  # a comment in the file would be copied into the new one
    file = io.BytesIO()
    image.save(file, "JPEG", quality=78 if side <= SMALL else 88)
    return file.getvalue()


def sound(content: bytes) -> bytes:
    """Decode a clip and encode its first seconds again, as WAV of 16 bits.

    Raises
    ------
    Unreadable
        If it is no clip.
    """
    import wave

    from sibyl.sources.audio import decode_audio

    clip = decode_audio(content)
    samples = np.clip(clip.samples[: SECONDS * clip.rate] * 32767, -32768, 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(clip.rate)
        written.writeframes(samples.tobytes())
    return file.getvalue()
