"""What a model of somebody else's may make this process do: nothing but arithmetic.

A folder of sentence-transformers names the classes of its modules, and versions before 6.2 import
whatever stands there, Python files of the same folder included. So the names are checked before the
library sees the folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from sibyl.errors import DataError
from sibyl.storage import parse_json

_LIBRARY = "sentence_transformers."
_MODULES = (
    "CLIPModel",
    "Dense",
    "Dropout",
    "LayerNorm",
    "Normalize",
    "Pooling",
    "StaticEmbedding",
    "Transformer",
    "WeightedLayerPooling",
)
_ACTIVATIONS = "torch.nn."
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.@-]*(/[A-Za-z0-9][\w.@-]*)?")


def is_hub_name(model: str) -> bool:
    """Whether a model's name can only mean the hub: it has the form of one, and nothing of that
    name lies here.
    """
    here = [model, *model.split("@")]  # open_clip takes a file of weights after the @
    return bool(_HUB_NAME.fullmatch(model)) and ".." not in model and not any(Path(part).exists() for part in here if part)


def check_sentence_modules(name: str, read: Callable[[str], bytes | None]) -> None:
    """Check that a model of sentence-transformers is made of the library's own modules.

    Parameters
    ----------
    name : str
        Of the encoder, for the message.
    read : callable
        Path of a file within the model, with forward slashes → its content; None if there is no
        such file.

    Raises
    ------
    DataError
        If it names a class that is not known to do arithmetic alone, or a file outside the model.
    """
    listed = _json(name, "modules.json", read("modules.json"))
    if listed is None:  # a model of transformers, which the library wraps itself
        return
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise DataError(f"{name}: its modules.json is damaged; fetch or save the model again")
    for module in listed:
        kind, path = module.get("type"), module.get("path")
        if not isinstance(kind, str) or not kind.startswith(_LIBRARY) or kind.rpartition(".")[2] not in _MODULES:
            raise DataError(f"{name}: names the module {str(kind)[:80]!r}, which could run code of its own, so it is not loaded")
        if not isinstance(path, str) or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
            raise DataError(f"{name}: names a module outside its folder ({str(path)[:80]!r}), so it is not loaded")
        if kind.rpartition(".")[2] == "Dense":
            settings = _json(name, f"{path}/config.json", read(f"{path}/config.json"))
            activation = settings.get("activation_function", _ACTIVATIONS) if isinstance(settings, dict) else None
            if not isinstance(activation, str) or not activation.startswith(_ACTIVATIONS):
                raise DataError(
                    f"{name}: names the activation {str(activation)[:80]!r}, which could run code of its own, so it is not loaded"
                )


def _json(name: str, path: str, content: bytes | None) -> object:
    try:
        return None if content is None else parse_json(content)
    except ValueError as error:
        raise DataError(f"{name}: its {path} is damaged ({error}); fetch or save the model again") from None
