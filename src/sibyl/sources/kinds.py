"""The kinds of files that are items: how each is told and read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sibyl.sources import audio, images, texts
from sibyl.sources.folder import ending


@dataclass(frozen=True)
class Kind:
    """A kind of files: what it is called, how it is told by its path and by its first bytes, and how it is read (see `Source`)."""

    modality: str
    article: str
    endings: tuple[str, ...]
    belongs: Callable[[str | Path], bool]
    begins_alike: Callable[[bytes], bool]
    decode: Callable[..., Any]
    decoder: str


def _has_ending(endings: tuple[str, ...]) -> Callable[[str | Path], bool]:
    return lambda path: ending(path) in endings


# The first wins a tie: photographs often have a text with a caption beside each.
IMAGE = Kind("image", "an image", images.ENDINGS, images.is_image, images.begins_like_an_image, images.decode_image, images.READER)
AUDIO = Kind(
    "audio", "an audio clip", audio.ENDINGS, _has_ending(audio.ENDINGS), audio.begins_like_audio, audio.decode_audio, audio.READER
)
TEXT = Kind("text", "a text", texts.ENDINGS, _has_ending(texts.ENDINGS), lambda head: False, texts.decode_text, texts.READER)
KINDS = (IMAGE, AUDIO, TEXT)
