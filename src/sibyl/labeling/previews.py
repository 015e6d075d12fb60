"""What a report shows of an item: a small picture, a text, a clip to hear, the cells of its row, or nothing but its name."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from sibyl.sources.audio import Clip, need_soundfile
from sibyl.sources.images import quiet_decoding
from sibyl.sources.item import Item, Unreadable
from sibyl.sources.source import Source
from sibyl.sources.table_files import cell_text, printable

SIDE = 176  # pixels of a thumbnail's longer side
MAX_LETTERS = 400
MAX_CELLS = 40
CELL_LETTERS = 80
_DECIMAL = re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?", re.IGNORECASE)
SOUND_SECONDS = 6.0
SOUND_RATE = 16_000
WAVE_BARS = 48


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
    sound : str
        Data URI of a clip's first seconds, or empty.
    wave : str
        Its loudness as an SVG path in a box of 96 × 40.
    cells : tuple of (str, str)
        Column and cell of a row of a table, those that are filled.
    """

    picture: str = ""
    width: int = 0
    height: int = 0
    text: str = ""
    sound: str = ""
    wave: str = ""
    cells: tuple[tuple[str, str], ...] = ()


def previews(source: Source, names: Sequence[str]) -> dict[str, Preview]:
    """Return previews of some items of a source; only these are read, several at once. What cannot be read has an empty one."""
    wanted = set(names)
    items = [item for item in source.items if item.name in wanted]
    if source.frame is not None and source.modality == "table":
        return dict.fromkeys(wanted, Preview()) | {
            name: Preview(cells=_cells(source.frame, name)) for name in wanted & {*source.names}
        }
    if source.modality not in ("image", "text", "audio"):
        return dict.fromkeys(wanted, Preview())

    def preview(item: Item) -> Preview:
        try:
            content = item.read()
            if source.modality == "text":
                return Preview(text=_shortened(str(source.decode(content))))
            if source.modality == "audio":
                return _sound(source.decode(content))
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


def _sound(clip: Clip) -> Preview:
    """Return the first seconds as a small MP3, or as 8-bit WAV where libsndfile writes no MP3."""
    soundfile = need_soundfile()
    samples = clip.samples[: round(SOUND_SECONDS * clip.rate)]
    bars = [float(np.abs(part).max(initial=0)) for part in np.array_split(samples, WAVE_BARS)]
    loudest = max(bars) or 1.0
    wave = "".join(f"M{2 * place + 1} {20 - 18 * bar / loudest:.1f}v{36 * bar / loudest:.1f}" for place, bar in enumerate(bars))
    small = Clip(samples, clip.rate).at(SOUND_RATE).samples.clip(-1, 1)
    file = io.BytesIO()
    if "MP3" in soundfile.available_formats():
        soundfile.write(file, small, SOUND_RATE, format="MP3")
        kind = "mpeg"
    else:
        soundfile.write(file, small, SOUND_RATE, format="WAV", subtype="ULAW")
        kind = "wav"
    return Preview(sound=f"data:audio/{kind};base64," + base64.b64encode(file.getvalue()).decode("ascii"), wave=wave)


def _cells(frame: pd.DataFrame, name: str) -> tuple[tuple[str, str], ...]:
    row = frame.loc[name]
    texts = ((str(column), _shortened(printable(_figure(cell_text(value))), CELL_LETTERS)) for column, value in row.items())
    return tuple((column, text) for column, text in texts if text)[:MAX_CELLS]


def _figure(text: str) -> str:
    """Round a decimal number to four digits, so that a card shows what tells rows apart; whole numbers and words stay as they are."""
    if not _DECIMAL.fullmatch(text):
        return text
    number = float(text)
    return f"{number:.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"


def _shortened(text: str, most: int = MAX_LETTERS) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else words[: most - 1] + "…"
