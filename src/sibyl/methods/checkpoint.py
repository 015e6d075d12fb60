"""A trained method on disk: parameters and settings in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from sibyl.errors import CheckpointError
from sibyl.methods import METHODS, LearnedMethod
from sibyl.schemas import Header, Name, Scalar, check_settings, checked, filled
from sibyl.storage import Json
from sibyl.tensors import load_tensors, save_tensors

FORMAT = "sibyl-method"


class _Kind(Header):
    format: Literal["sibyl-method"]
    method: Name


class _Header(_Kind):
    settings: Annotated[dict[str, Scalar | list[Scalar]], Field(max_length=100)]
    card: Json = Field(default_factory=dict)


def save_method(path: str | Path, method: LearnedMethod, card: Json | None = None) -> None:
    """Write a learned method to one safetensors file, whole or not at all.

    Parameters
    ----------
    path : path
        Conventionally ends in ``.safetensors``.
    method : LearnedMethod
        Its settings and parameters are written.
    card : mapping, optional
        What a reader should know: data, training arguments, metrics, licence.
    """
    metadata = {"format": FORMAT, "method": method.name, "settings": method.settings, "card": card or {}}
    save_tensors(path, method.state_dict(), metadata)


def load_method(path: str | Path) -> LearnedMethod:
    """Read what `save_method` wrote, in evaluation mode.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another kind, or does not fit its own settings.
    """
    tensors, metadata = load_tensors(path)
    _class_of(checked(_Kind, metadata, path, "a trained method").method, path)  # a newer method may be described in another way
    header = checked(_Header, metadata, path, "a trained method")
    return rebuilt_method(header.method, header.settings, tensors, path)


def rebuilt_method(name: str, settings: Mapping[str, Any], tensors: Mapping[str, Tensor], path: str | Path) -> LearnedMethod:
    """Build a learned method from what a file says of it, in evaluation mode.

    Raises
    ------
    CheckpointError
        If there is no such method, or its tensors do not fit its settings.
    """
    method_class = _class_of(name, path)
    check_settings(method_class, settings, path, max((size for tensor in tensors.values() for size in tensor.shape), default=0))
    method: LearnedMethod = filled(partial(method_class, **settings), tensors, path)
    return method


def _class_of(name: str, path: str | Path) -> type[LearnedMethod]:
    method_class = METHODS.get(name)
    if method_class is None or not issubclass(method_class, LearnedMethod):
        raise CheckpointError(f"{path}: holds method {name[:80]!r}, which this sibyl does not know; update sibyl")
    return method_class
