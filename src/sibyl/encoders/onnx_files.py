"""The files that an ONNX model reads: itself, and weights beside it. All of them are checked before
onnxruntime sees any.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from sibyl.errors import DataError, MissingExtra
from sibyl.storage import content_key, sha256

MAX_SIDE = 4096  # pixels
MAX_BATCH = 4096
_MAX_VALUES = 1 << 29  # in one tensor that a model makes of a single image: 2 GiB
_LARGE = 1 << 28  # bytes
_DEPTH = 256  # of messages within messages


def model_checksum(path: Path) -> str:
    """Return a key of a model and of every file with weights that it names.

    Raises
    ------
    DataError
        If it is no ONNX model, names a file that is missing or lies elsewhere, or unfolds to
        tensors of more than 2 GiB.
    MissingExtra
        If onnx is not installed.
    """
    onnx = _library()
    model = _parsed(onnx, path)
    names = sorted({_location(path, tensor) for tensor in _tensors(onnx, path, model) if tensor.data_location == tensor.EXTERNAL})
    files = [(name, _file_beside(path, name)) for name in names]
    _check_sizes(onnx, path, model)
    return content_key([sha256(path), *([name, sha256(file)] for name, file in files)])


def _library() -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtra("onnx", "onnx", "an ONNX encoder") from None
    return onnx


def _parsed(onnx: Any, path: Path) -> Any:
    try:
        model = onnx.load(str(path), load_external_data=False)
    except MemoryError:
        raise
    except Exception as error:  # the parser of protobuf raises errors of its own, and of Python's codecs
        raise DataError(f"{path}: is no ONNX model, or damaged ({type(error).__name__}); export or fetch it again") from None
    if not model.graph.node:
        raise DataError(f"{path}: holds no network, or is damaged; export or fetch it again")
    return model


def _tensors(onnx: Any, path: Path, message: Any, depth: int = 0) -> Iterator[Any]:
    """Yield every tensor anywhere in a model: initializers, constants, those of graphs within
    nodes, and of functions.
    """
    if depth > _DEPTH:
        raise DataError(f"{path}: its graphs are nested too deeply; export or fetch it again")
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                yield from _tensors(onnx, path, one, depth + 1)


def _location(path: Path, tensor: Any) -> str:
    named = [entry.value for entry in tensor.external_data if entry.key == "location"]
    if len(named) != 1 or not isinstance(named[0], str) or not named[0]:
        raise DataError(f"{path}: does not say where the weights {str(tensor.name)[:80]!r} lie; export or fetch it again")
    return str(named[0])


def _file_beside(path: Path, name: str) -> Path:
    """Return a file of weights; it lies in the folder of the model, or, where both are links, where
    the model itself lies.
    """
    parts = PureWindowsPath(name).parts  # understands both strokes
    file = path.parent / name
    real = file.resolve()
    allowed = {path.parent.resolve(), path.resolve().parent}
    if (
        PureWindowsPath(name).is_absolute()
        or name.startswith("/")
        or ".." in parts
        or not any(real.is_relative_to(one) for one in allowed)
    ):
        raise DataError(f"{path}: names weights outside its folder ({name[:120]!r}), which are not read; export or fetch it again")
    if not real.is_file():
        raise DataError(f"{path}: its weights are missing; expected a file {name[:120]!r} beside it")
    return file


def _check_sizes(onnx: Any, path: Path, model: Any) -> None:
    """Refuse a small file that says it holds, or makes, huge tensors."""
    for tensor in _tensors(onnx, path, model):
        _check_size(path, str(tensor.name), list(tensor.dims))
    if path.stat().st_size > _LARGE:  # no longer a small file that makes much, and looking through takes memory of its own
        return
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # a model that cannot be looked through so: onnxruntime has its own limits
        return
    for value in (*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input):
        sizes = [one.dim_value for one in value.type.tensor_type.shape.dim if one.HasField("dim_value")]
        _check_size(path, str(value.name), sizes)


def _check_size(path: Path, name: str, sizes: list[int]) -> None:
    total = 1
    for size in sizes:
        if size < 0:
            raise DataError(f"{path}: the tensor {name[:80]!r} has the size {size}; export or fetch the model again")
        total *= max(size, 1)
    if total > _MAX_VALUES:
        raise DataError(
            f"{path}: the tensor {name[:80]!r} would hold {total:,} numbers; a model may make {_MAX_VALUES:,} of an image"
        )
