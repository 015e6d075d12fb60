"""Adapted classifiers as tensors and JSON: taken apart for a file, and put together again.

A classifier is a frozen dataclass of tensors, numbers, further such dataclasses and small perceptrons. What is stored of each is where
its class stands in `sibyl.methods` and its fields, so that reading a file runs no code but this package's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sibyl.errors import CheckpointError, UserError, reason_of
from sibyl.schemas import filled
from sibyl.storage import Json
from sibyl.tasks import Classifier

_HOME = "sibyl.methods."
_SMALL = 1 << 26  # numbers that two rows may make
# Former name of a class in older files → its name today, and its renamed fields.
_FORMER: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "sibyl.methods.universal.answer:UniversalClassifier": ("sibyl.methods.universal.classifier:UniversalClassifier", {}),
    "sibyl.methods.universal.second_look:SecondLook": (
        "sibyl.methods.universal.outlier_refinement:OutlierRefinement", {"heard": "is_neighbour"},
    ),
}  # fmt: skip
_LAYERS: dict[type[nn.Module], tuple[str, ...]] = {nn.Linear: ("in_features", "out_features"), nn.GELU: (), nn.ReLU: ()}


def take_apart(classifier: Classifier) -> tuple[dict[str, Tensor], Json]:
    """Return the tensors of a classifier, named by where they stand in it, and the rest as JSON can hold it.

    Raises
    ------
    UserError
        If it is made of something else, such as a function.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, {"classifier": _describe(getattr(classifier, "__wrapped__", classifier), "classifier", tensors)}


def _describe(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        tensors[place] = value.detach().cpu()
        return {"tensor": place}
    if isinstance(value, tuple | list):
        return [_describe(one, f"{place}.{number}", tensors) for number, one in enumerate(value)]
    if type(value) is nn.Sequential and all(type(layer) in _LAYERS for layer in value):
        tensors.update({f"{place}.{name}": tensor.detach().cpu() for name, tensor in value.state_dict().items()})
        layers = [[type(layer).__name__, *(getattr(layer, name) for name in _LAYERS[type(layer)])] for layer in value]
        return {"layers": layers, "place": place}
    kind = type(value)
    if is_dataclass(value) and kind.__module__.startswith(_HOME):
        parts = {field.name: _describe(getattr(value, field.name), f"{place}.{field.name}", tensors) for field in _stored(kind)}
        return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": parts}
    raise UserError(
        f"a classifier that holds a {kind.__name__} cannot be saved, only tensors and numbers can; fit again where it is needed, or "
        "export it to ONNX"
    )


def _stored(kind: Any) -> list[Any]:
    return [field for field in fields(kind) if field.init]


def put_together(tensors: Mapping[str, Tensor], description: Json, device: torch.device | str = "cpu") -> Classifier:
    """Rebuild what `take_apart` took apart.

    Raises
    ------
    CheckpointError
        If the description names what this package does not have, or tensors are missing.
    """
    try:
        classifier: Classifier = _rebuild(description["classifier"], tensors, torch.device(device))
    except CheckpointError:
        raise
    except Exception as error:  # whatever a constructor says of parts that no version wrote
        reason = reason_of(error, 200, with_kind=True)
        raise CheckpointError(f"a saved classifier cannot be rebuilt ({reason}); update sibyl, or save it again") from None
    if not callable(classifier):
        raise CheckpointError("a saved classifier cannot be rebuilt: it is no classifier; save it again")
    return classifier


def _rebuild(value: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    if isinstance(value, list):
        return tuple(_rebuild(one, tensors, device) for one in value)
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]].to(device)
    if "layers" in value:
        return _rebuild_layers(value, tensors, device)
    place, renamed = _FORMER.get(value["class"], (value["class"], {}))
    module, name = place.split(":")
    if not module.startswith(_HOME):
        raise ValueError(f"class {value['class'][:80]!r} is not one of sibyl's classifiers")
    kind = getattr(import_module(module), name)
    if not (isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == module):
        raise ValueError(f"class {value['class'][:80]!r} is not one of sibyl's classifiers")
    return kind(**{renamed.get(field, field): _rebuild(part, tensors, device) for field, part in value["fields"].items()})


def _rebuild_layers(value: Json, tensors: Mapping[str, Tensor], device: torch.device) -> nn.Sequential:
    known = {kind.__name__: kind for kind in _LAYERS}
    start = f"{value['place']}."
    own = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
    layers = value["layers"]
    network: nn.Sequential = filled(
        lambda: nn.Sequential(*(known[name](*sizes) for name, *sizes in layers)), own, "a saved classifier"
    )
    return network.to(device).requires_grad_(False).eval()


def try_out(
    classifier: Classifier,
    tensors: Mapping[str, Tensor],
    n_features: int,
    n_way: int,
    path: str | Path,
    device: torch.device | str = "cpu",
) -> None:
    """Ask a classifier from a file about two rows: its answer must be finite, and of the shape that the file says.

    Raises
    ------
    CheckpointError
        If it is not so.
    """
    shapes = [tuple(tensor.shape) for tensor in tensors.values()]
    total = sum(tensor.numel() for tensor in tensors.values())
    rows = max((shape[1] for shape in shapes if len(shape) == 3), default=1)
    columns = max((shape[-1] for shape in shapes if shape), default=1)
    if rows * max(columns, n_features, n_way) > max(_SMALL, 4 * total) or any(len(shape) > 3 for shape in shapes):
        raise CheckpointError(f"{path}: its tensors are not those of one classifier; save it again")
    x = torch.linspace(-1, 1, 2 * n_features, device=device).reshape(1, 2, n_features)
    score = getattr(classifier, "outlier_score", None)
    try:
        with torch.no_grad():
            answers = [(classifier(x), (1, 2, n_way)), *([(score(x), (1, 2))] if callable(score) else [])]
        is_sound = all(tuple(found.shape) == shape and bool(torch.isfinite(found).all()) for found, shape in answers)
    except Exception as error:  # parts of any type may stand in a file
        reason = reason_of(error, with_kind=True)
        raise CheckpointError(f"{path}: its classifier does not work ({reason}); save it again") from None
    if not is_sound:
        raise CheckpointError(f"{path}: its classifier gives no {n_way} finite numbers for a row of {n_features}; save it again")
