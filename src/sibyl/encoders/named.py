"""From what a person writes after --encoder to an encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sibyl.backbones.checkpoint import SHIPPED, shipped_names
from sibyl.encoders.backbone import BackboneEncoder
from sibyl.encoders.efficientnet_lite import efficientnet_lite
from sibyl.encoders.encoder import Encoder
from sibyl.encoders.foreign_models import is_hub_name
from sibyl.encoders.log_mel import LogMelEncoder
from sibyl.encoders.minilm import minilm
from sibyl.encoders.onnx import OnnxEncoder
from sibyl.encoders.open_clip import open_clip_encoder
from sibyl.encoders.sentence_transformers import SentenceEncoder
from sibyl.encoders.speech_embedding import speech_embedding
from sibyl.encoders.tfidf import TfidfEncoder
from sibyl.encoders.timm import timm_encoder
from sibyl.encoders.torchvision import torchvision_encoder
from sibyl.encoders.transformers import transformers_encoder
from sibyl.errors import DataError, UnknownName
from sibyl.storage import read_json

_LIBRARIES: dict[str, Callable[[str], Encoder[Any, Any]]] = {
    "open_clip": open_clip_encoder,
    "sentence-transformers": SentenceEncoder,
    "timm": timm_encoder,
    "torchvision": torchvision_encoder,
    "transformers": transformers_encoder,
}
_BY_NAME: dict[str, Callable[[], Encoder[Any, Any]]] = {
    "efficientnet-lite0": partial(efficientnet_lite, "efficientnet-lite0"),
    "efficientnet-lite2": partial(efficientnet_lite, "efficientnet-lite2"),
    "log-mel": LogMelEncoder,
    "minilm-int8": minilm,
    "speech-embedding": speech_embedding,
    "tfidf": TfidfEncoder,
}


def encoder_by_name(name: str) -> Encoder[Any, Any]:
    """Build an encoder.

    Parameters
    ----------
    name : str
        ``library:model`` with a model that the library knows, or a folder that it saved
        (``transformers:facebook/dinov2-small``, ``timm:…``, ``torchvision:squeezenet1_1``,
        ``open_clip:ViT-B-32@laion2b_s34b_b79k``, ``sentence-transformers:all-MiniLM-L6-v2``); the
        name of an encoder of the extra ``encoders`` (``efficientnet-lite2``, ``minilm-int8``,
        ``speech-embedding``) or of one that is always there (``conv4-cifar-fs``, ``tfidf``,
        ``log-mel``); or the path of an ONNX file, of a backbone of ``sibyl pretrain``
        (.safetensors), or of a folder that one of the libraries saved. See `catalogue.KNOWN`.

    Raises
    ------
    DataError
        If a file or folder does not hold a model, or the weights are missing.
    UnknownName
        If `name` is nothing of that; near names and ONNX files in the same folder are suggested.
    CheckpointError
        If a safetensors file is missing, damaged or no backbone.
    MissingExtra
        If the library is not installed.
    """
    if name in shipped_names():
        return BackboneEncoder(SHIPPED / f"{name}.safetensors")
    if name in _BY_NAME:
        return _BY_NAME[name]()
    library, colon, model = name.partition(":")
    if colon and library in _LIBRARIES:
        if not model:
            raise DataError(f"{name}: name a model after the colon; see: sibyl encoders")
        return _LIBRARIES[library](model)
    path = Path(name)
    if path.suffix.lower() == ".safetensors":
        return BackboneEncoder(path)
    if path.is_dir():
        return _LIBRARIES[_library_of(path)](name)
    if path.is_file() or path.suffix.lower() == ".onnx":
        return OnnxEncoder(path)
    if colon and "/" not in library and "\\" not in library and len(library) > 1:  # one letter is a drive
        raise UnknownName("library of encoders", library, _LIBRARIES)
    beside = sorted(str(file) for file in path.parent.glob("*.onnx")) if path.parent.is_dir() else []
    known = [*shipped_names(), *_BY_NAME, *beside, *(f"{library}:MODEL" for library in _LIBRARIES)]
    raise UnknownName("encoder", name, [*known, "a path to an ONNX file"])


def is_known(name: str) -> bool:
    """Whether a name stands for an encoder that ships or is built in, whatever files there are."""
    return name in shipped_names() or name in _BY_NAME


def encoder_of_run(name: str, run: str | Path) -> Encoder[Any, Any]:
    """Build the encoder that a saved run names, which may be somebody else's.

    A run may name what ships, and models on the hub, whose code is not run. Files and folders are
    loaded only where the user names them: a run that came with a folder beside it could else make
    this process read what lies there.

    Raises
    ------
    DataError
        If the run names a file or folder.
    UserError, MissingExtra
        As `encoder_by_name`.
    """
    return encoder_by_name(named_by_run(name, run))


def named_by_run(name: str, run: str | Path) -> str:
    """Return the name of an encoder in a saved run, if a run may name it; see `encoder_of_run`."""
    library, colon, model = name.partition(":")
    if is_known(name) or (colon and library in _LIBRARIES and is_hub_name(model)):
        return name
    raise DataError(f"{run}: was read with the encoder {name[:200]!r}; if you trust it, name it again with --encoder")


def _library_of(folder: Path) -> str:
    """Tell by its files which library saved a model."""
    if (folder / "modules.json").is_file():
        return "sentence-transformers"
    if not (folder / "config.json").is_file():
        models = sorted(file.name for file in folder.glob("*.onnx"))
        hint = f"name the file: {folder / models[0]}" if models else "expected a config.json or modules.json in it"
        raise DataError(f"{folder}: is a folder, but not a model that transformers, timm or sentence-transformers saved; {hint}")
    return "timm" if "architecture" in read_json(folder / "config.json") else "transformers"
