"""Weights that other libraries fetch: whether they are on this machine, and what to say when they
are not.
"""

from __future__ import annotations

import pickle
from pathlib import Path

from safetensors import SafetensorError

from sibyl.errors import DataError, reason_of

LOADING_FAILS = (OSError, RuntimeError, ValueError, KeyError, SafetensorError, pickle.UnpicklingError)
"""What libraries raise where weights are missing, damaged, or of another shape."""

WITHOUT_WEIGHTS = {"conv4-cifar-fs": "images", "tfidf": "texts", "log-mel": "audio"}
"""Encoders that are always there, and what they read."""
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "open_clip_pytorch_model.bin")


def cached_weights(repository: str) -> Path | None:
    """Return where the weights of a model on the hub lie on this machine, or None; the network is
    not asked.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in _WEIGHT_FILES:
        try:
            found = try_to_load_from_cache(repository, name)
        except HFValidationError:  # not the name of a model on the hub at all
            return None
        if isinstance(found, str):
            return Path(found)
    return None


def missing_weights(name: str, fetch: str, error: Exception) -> DataError:
    """Return the error for an encoder whose library cannot find or load its weights.

    Parameters
    ----------
    name : str
        The encoder.
    fetch : str
        A command or place that brings the weights.
    error : Exception
        What the library said.
    """
    said = reason_of(error, 1000)
    said = said if len(said) <= 160 else f"{said[:160]} …"
    return DataError(
        f"{name}: its weights are not on this machine and could not be fetched, or cannot be read ({said}); with a network: {fetch}; "
        f"without weights work: {', '.join(f'{name} ({reads})' for name, reads in WITHOUT_WEIGHTS.items())}"
    )
