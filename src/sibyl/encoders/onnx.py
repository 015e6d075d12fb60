"""OnnxEncoder: any ONNX network from image to feature vector, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sibyl.encoders.encoder import Encoder, Rows
from sibyl.encoders.image_preprocessing import ImagePreprocessing
from sibyl.encoders.onnx_files import MAX_BATCH, MAX_SIDE, model_checksum
from sibyl.errors import DataError, MissingExtra, SibylError, reason_of
from sibyl.storage import content_key
from sibyl.threads import n_cores, sleeping


class OnnxEncoder(Encoder[Image.Image, npt.NDArray[np.uint8]]):
    """An ONNX file with one input, float32 pixels [batch, 3, side, side], and as first output one
    feature row per image.

    A JSON file of the same name beside the model (``encoder.json`` for ``encoder.onnx``) gives the
    preprocessing, see `ImagePreprocessing`; without it the side comes from the model, or is 224,
    with ImageNet's mean and deviation.

    Parameters
    ----------
    path : path
        The model.
    n_threads : int
        Threads of the network; 0 takes one for each core.

    Raises
    ------
    DataError
        If the file is missing, is not an ONNX model, or its input or output has another shape.
    MissingExtra
        If onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, n_threads: int = 0) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise DataError(f"{path}: no such file; expected an encoder as an ONNX model (encoder.onnx)")
        self._checksum = model_checksum(self.path)  # before the library sees the file
        self._session = _open(self.path, n_threads)
        side, self._fixed_batch = _guarded(self.path, self._check_input)
        settings_path = self.path.with_suffix(".json")
        if settings_path.is_file():
            self.preprocessing = ImagePreprocessing.read(settings_path, side or 224)
            self._settings_from = settings_path.name
        else:
            self.preprocessing = ImagePreprocessing(side or 224)
            where = "the model's input size" if side else "default size 224"
            self._settings_from = f"{where}, ImageNet mean and deviation (no {settings_path.name} beside the model)"
        if side and side != self.preprocessing.input_size:
            raise DataError(
                f"{path}: the model takes images of {side} × {side}, but its preprocessing gives "
                f"{self.preprocessing.input_size}; correct input_size in {settings_path.name}"
            )
        self.name = self.path.name
        self.key = content_key(["onnx 2", self._checksum, self.preprocessing.settings])
        self.dim = self._probe()
        self.enough_pixels = 2 * self.preprocessing.resize  # from there on, resizing is as smooth as from the whole image

    def _check_input(self) -> tuple[int | None, int | None]:
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if inputs else []
        free_or_rgb = len(shape) == 4 and (shape[1] == 3 or not isinstance(shape[1], int))
        if len(inputs) != 1 or not free_or_rgb or inputs[0].type != "tensor(float)":
            found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise DataError(f"{self.path}: expected one input, float32 pixels [batch, 3, height, width], got {found or 'none'}")
        batch, _, height, width = (size if isinstance(size, int) else None for size in shape)
        if height != width:
            raise DataError(f"{self.path}: expected a square input, got {height} × {width}; export the model with equal sides")
        if not 1 <= (height or 1) <= MAX_SIDE or not 1 <= (batch or 1) <= MAX_BATCH:
            raise DataError(
                f"{self.path}: takes {batch or 1} images of {height or 1} × {height or 1} at once; expected at most {MAX_BATCH} of "
                f"{MAX_SIDE} × {MAX_SIDE}"
            )
        return height, batch

    def _probe(self) -> int:
        side = self.preprocessing.input_size
        rows = self._run(np.zeros((1, 3, side, side), np.float32))
        if rows.ndim != 2 or len(rows) != 1 or not rows.shape[1]:
            raise DataError(
                f"{self.path}: expected one feature row per image, [batch, dim], got an output of shape {list(rows.shape)} for one "
                "image; export the model with pooling and flattening at its end"
            )
        return int(rows.shape[1])

    @property
    def description(self) -> dict[str, Any]:
        """File, checksum, dimension, preprocessing and where its settings come from."""
        return {
            "kind": "onnx",
            "name": self.name,
            "checksum": self._checksum,
            "dim": self.dim,
            "preprocessing": self.preprocessing.settings,
            "preprocessing_from": self._settings_from,
        }

    def prepare(self, item: Image.Image) -> npt.NDArray[np.uint8]:
        """Resize and cut an RGB image: uint8 [side, side, 3]."""
        return self.preprocessing.cut(item)

    def encode(self, batch: Sequence[npt.NDArray[np.uint8]]) -> Rows:
        """Run the network on prepared images: float32 [image, dim]."""
        if not batch:
            return np.zeros((0, self.dim), np.float32)
        return self._run(self.preprocessing.normalise(np.stack(batch)))

    def _run(self, pixels: npt.NDArray[np.float32]) -> Rows:
        size = self._fixed_batch or len(pixels)
        parts = [self._run_once(pixels[start : start + size], size) for start in range(0, len(pixels), size)]
        return np.concatenate(parts)

    def _run_once(self, pixels: npt.NDArray[np.float32], size: int) -> Rows:
        missing = size - len(pixels)  # a model of fixed batch size gets empty images after the last
        padded = np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), np.float32)]) if missing else pixels
        output = _guarded(self.path, lambda: self._session.run(None, {self._input: padded})[0])
        if not isinstance(output, np.ndarray) or output.dtype.kind not in "biuf" or not output.shape:
            raise DataError(
                f"{self.path}: expected numbers, [batch, dim], as its first output, got something else; export the model again"
            )
        rows: Rows = output[: len(pixels)].astype(np.float32, copy=False)
        return rows

    @property
    def _input(self) -> str:
        return str(self._session.get_inputs()[0].name)


def _open(path: Path, n_threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("onnxruntime", "onnx", "an ONNX encoder") from None
    options = sleeping(onnxruntime.SessionOptions())
    options.intra_op_num_threads = n_threads or n_cores()
    options.log_severity_level = 4  # what goes wrong is raised; its log would come on top
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    return _guarded(path, lambda: onnxruntime.InferenceSession(str(path), options, providers=providers))


def _guarded(path: Path, call: Callable[[], Any]) -> Any:
    """Run `call`; what onnxruntime says of the model becomes one sentence."""
    try:
        return call()
    except SibylError:
        raise
    except Exception as error:  # of its own kinds, of Python's codecs, of memory: all say that this model cannot be run
        reason = reason_of(error, 200)
        raise DataError(f"{path}: onnxruntime cannot run this model ({reason}); export or fetch it again") from None
