"""One ONNX file from pixels to labels: preprocessing, encoder and classifier joined."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.encoders.efficientnet_lite import FILES, onnx_network, read_weights
from sibyl.encoders.encoder import Encoder, Rows
from sibyl.encoders.image_preprocessing import ImagePreprocessing
from sibyl.encoders.onnx import OnnxEncoder
from sibyl.encoders.packaged_encoder import PackagedEncoder
from sibyl.errors import UserError, reason_of
from sibyl.export.onnx_model import check_outputs, libraries, opset_of, run_model

PIXELS = "pixels"
# A name before the stroke keeps this part's edges apart from the classifier's, which the exporter names after its operations ("mean").
NORMALISED = "preprocessing/normalised"


@dataclass(frozen=True, eq=False)
class PixelNetwork:
    """An encoder of images as ONNX holds it.

    Parameters
    ----------
    name : str
        Of the encoder.
    load : callable
        Returns the network, an ``onnx.ModelProto``: normalised pixels [batch, 3, side, side] → features [batch, dim].
    preprocessing : ImagePreprocessing
        Of its pixels.
    encode : callable
        List of uint8 [side, side, 3] → rows, as the encoder itself computes them.
    """

    name: str
    load: Callable[[], Any]
    preprocessing: ImagePreprocessing
    encode: Callable[[list[npt.NDArray[np.uint8]]], Rows]


def pixel_network(encoder: Encoder[Any, Any] | None) -> PixelNetwork | None:
    """Return an encoder as ONNX holds it; None for one that ONNX cannot hold whole."""
    if isinstance(encoder, OnnxEncoder):
        path = encoder.path
        return PixelNetwork(encoder.name, lambda: _onnx().load(str(path)), encoder.preprocessing, encoder.encode)
    if isinstance(encoder, PackagedEncoder) and encoder.name in FILES:
        return _packaged(encoder)
    return None


def _packaged(encoder: PackagedEncoder) -> PixelNetwork:
    from PIL import Image

    settings: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in encoder.settings.items()}
    preprocessing = ImagePreprocessing(**settings)
    side, short = preprocessing.input_size, preprocessing.resize

    def load() -> Any:
        return _onnx().load_from_string(onnx_network(read_weights(FILES[encoder.name].checked(encoder.name))))

    def encode(images: list[npt.NDArray[np.uint8]]) -> Rows:
        edge = (short - side) // 2  # a frame around them, which cutting takes off again
        framed = [Image.fromarray(np.pad(image, ((edge, short - side - edge),) * 2 + ((0, 0),))) for image in images]
        return encoder.encode([encoder.prepare(image) for image in framed])

    return PixelNetwork(encoder.name, load, preprocessing, encode)


def _onnx() -> Any:
    libraries()
    import onnx

    return onnx


def join_encoder(encoder: PixelNetwork, head: Any) -> Any:
    """Put an encoder and the normalisation of its pixels before a classifier.

    Parameters
    ----------
    encoder : PixelNetwork
        Of `pixel_network`.
    head : onnx.ModelProto
        Of `classifier_model`, for the encoder's features.

    Returns
    -------
    onnx.ModelProto
        Input ``pixels`` uint8 [batch, side, side, 3], RGB: an image resized and cut as ``encoder.prepare`` does; the metadata entry
        ``preprocessing`` says how. Outputs as those of `head`.

    Raises
    ------
    UserError
        If the encoder's operations cannot be brought to the classifier's version of ONNX.
    """
    libraries()
    import onnx.compose
    import onnx.version_converter

    network = encoder.load()
    head_opset, own_opset = opset_of(head), opset_of(network)
    try:
        if own_opset < head_opset:
            network = onnx.version_converter.convert_version(network, head_opset)
        elif own_opset > head_opset:
            head = onnx.version_converter.convert_version(head, own_opset)
    except (RuntimeError, onnx.checker.ValidationError) as error:
        reason = reason_of(error, 200)
        raise UserError(
            f"{encoder.name}: cannot be converted from ONNX version {own_opset} to {head_opset} ({reason}); export the encoder with "
            f"opset {head_opset}"
        ) from None
    newest = max(network.ir_version, head.ir_version)
    network.ir_version = head.ir_version = newest
    metadata = {entry.key: entry.value for entry in head.metadata_props}
    del network.metadata_props[:]
    network = onnx.compose.add_prefix(network, "encoder/")
    pixels, features = network.graph.input[0], network.graph.output[0].name
    front = _normalisation(onnx, encoder, pixels, max(own_opset, head_opset), newest)
    joined = onnx.compose.merge_models(front, network, [(NORMALISED, pixels.name)])
    outputs = [one.name for one in head.graph.output]
    joined = onnx.compose.merge_models(joined, head, [(features, "features")], outputs=outputs)
    onnx.helper.set_model_props(
        joined, metadata | {"preprocessing": json.dumps(encoder.preprocessing.settings), "encoder": encoder.name}
    )
    joined.producer_name = "sibyl"
    onnx.checker.check_model(joined)
    _check(encoder, head, joined)
    return joined


def _check(encoder: PixelNetwork, head: Any, joined: Any) -> None:
    """Hold the joined model against encoder and classifier one after the other, on two images of noise."""
    batch, *shape = (axis.dim_value for axis in joined.graph.input[0].type.tensor_type.shape.dim)
    images = np.random.default_rng(0).integers(0, 256, (batch or 2, *shape), np.uint8)
    check_outputs(joined, {PIXELS: images}, run_model(head, {"features": encoder.encode(list(images))}))


def _normalisation(onnx: Any, encoder: PixelNetwork, pixels: Any, opset: int, ir_version: int) -> Any:
    """``(pixel / 255 − mean) / std``, channels first, as `ImagePreprocessing.normalise` computes it."""
    helper, proto = onnx.helper, onnx.TensorProto
    settings = encoder.preprocessing
    batch = pixels.type.tensor_type.shape.dim[0]
    batch = batch.dim_value or "batch"
    side = settings.input_size
    constants = {"preprocessing/full": (255.0,), "preprocessing/mean": settings.mean, "preprocessing/std": settings.std}
    full, mean, std = constants
    as_float, scaled, centred, divided = (f"preprocessing/{name}" for name in ("as_float", "scaled", "centred", "divided"))
    nodes = [
        helper.make_node("Cast", [PIXELS], [as_float], to=proto.FLOAT),
        helper.make_node("Div", [as_float, full], [scaled]),
        helper.make_node("Sub", [scaled, mean], [centred]),
        helper.make_node("Div", [centred, std], [divided]),
        helper.make_node("Transpose", [divided], [NORMALISED], perm=[0, 3, 1, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "sibyl",
        [helper.make_tensor_value_info(PIXELS, proto.UINT8, [batch, side, side, 3])],
        [helper.make_tensor_value_info(NORMALISED, proto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor(name, proto.FLOAT, [len(values)], values) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
