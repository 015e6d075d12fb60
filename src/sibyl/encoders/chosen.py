"""The encoder that a source is read with: the one that was named, or the best that is here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sibyl.encoders.catalogue import Choice, default_encoder
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.named import encoder_by_name
from sibyl.errors import DataError
from sibyl.sources.source import Source


def encoder_for(source: Source, encoder: str | Path | Encoder[Any, Any] | None) -> tuple[Encoder[Any, Any] | None, Choice | None]:
    """Return the encoder that a source is read with, none where it holds rows already, and the choice where nobody named one.

    Raises
    ------
    DataError
        If the source holds rows and an encoder is named.
    """
    if source.matrix is not None:
        if encoder is not None:
            raise DataError(f"{source.root}: holds rows of numbers, which need no encoder; leave --encoder out")
        return None, None
    if encoder is None:
        choice = default_encoder(source.modality)
        return choice.encoder, choice
    return (encoder_by_name(str(encoder)) if isinstance(encoder, str | Path) else encoder), None
