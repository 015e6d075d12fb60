"""An ONNX encoder reads its own folder alone, its key covers every file that it reads, and what it makes is bounded before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sibyl.encoders.onnx import OnnxEncoder
from sibyl.errors import DataError
from tests.encoders.tiny_onnx import write_tiny_encoder


def with_weights(folder: Path, location: str, values: np.ndarray, in_a_branch: bool = False) -> Path:
    """Write a model whose weights lie in another file: an initializer, or a constant of a graph within a node."""
    (folder / "m.onnx").parent.mkdir(parents=True, exist_ok=True)
    weights = numpy_helper.from_array(np.asarray(values, np.float32), "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(values.size * 4))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    nodes = [helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0, axes=[2, 3])]
    if in_a_branch:
        value = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, None)
        branch = helper.make_graph([helper.make_node("Identity", ["weights"], ["chosen"])], "branch", [], [value], [weights])
        yes = numpy_helper.from_array(np.array(True), "yes")
        nodes.append(helper.make_node("If", ["yes"], ["factor"], then_branch=branch, else_branch=branch))
        initial = [yes]
    else:
        nodes.append(helper.make_node("Identity", ["weights"], ["factor"]))
        initial = [weights]
    nodes.append(helper.make_node("Mul", ["mean", "factor"], ["features"]))
    graph = helper.make_graph(
        nodes,
        "m",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 3])],
        initial,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


@pytest.mark.parametrize("in_a_branch", [False, True])
@pytest.mark.parametrize("location", ["weights.bin", "m.onnx.data", "deep/w"])
def test_the_key_covers_weights_of_any_name(tmp_path: Path, location: str, in_a_branch: bool) -> None:
    values = np.array([1.0, 2.0, 3.0], np.float32)
    path = with_weights(tmp_path / "a", location, values, in_a_branch)
    file = tmp_path / "a" / location
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(values.tobytes())
    first = OnnxEncoder(path).key
    assert OnnxEncoder(path).key == first
    file.write_bytes((values + 1).tobytes())
    assert OnnxEncoder(path).key != first
    file.unlink()
    with pytest.raises(DataError, match="its weights are missing"):
        OnnxEncoder(path)


@pytest.mark.parametrize("in_a_branch", [False, True])
@pytest.mark.parametrize(
    "location", ["../secret.bin", "{root}/secret.bin", "link/secret.bin", "file", "..\\secret.bin", "C:\\x", ""]
)
def test_weights_outside_the_folder_are_not_read(tmp_path: Path, location: str, in_a_branch: bool) -> None:
    values = np.ones(3, np.float32)
    (tmp_path / "secret.bin").write_bytes(values.tobytes())
    path = with_weights(tmp_path / "a", location.format(root=tmp_path), values, in_a_branch)
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    (tmp_path / "a" / "file").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(DataError, match=r"outside its folder|where the weights"):
        OnnxEncoder(path)


def test_the_hub_s_cache_links_model_and_weights(tmp_path: Path) -> None:
    values = np.ones(3, np.float32)
    path = with_weights(tmp_path / "blobs", "weights.bin", values)
    path.rename(tmp_path / "blobs" / "1f")
    (tmp_path / "blobs" / "2e").write_bytes(values.tobytes())
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "m.onnx").symlink_to("../blobs/1f")
    (tmp_path / "snapshot" / "weights.bin").symlink_to("../blobs/2e")
    # Whether onnxruntime follows the links is its own affair; no other file is looked for.
    try:
        assert OnnxEncoder(tmp_path / "snapshot" / "m.onnx").dim == 3
    except DataError as error:
        assert "onnxruntime cannot run" in str(error)  # noqa: PT017


def bomb(path: Path, nodes: list[Any], initial: list[Any], side: int = 8, batch: int | str = "batch") -> Path:
    nodes = [
        *nodes,
        helper.make_node("ReduceMean", ["big"], ["small"], keepdims=0),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0, axes=[2, 3]),
        helper.make_node("Add", ["mean", "small"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bomb",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 3])],
        initial,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9), str(path))
    return path


def test_a_small_file_that_makes_much_is_refused_before_it_runs(tmp_path: Path) -> None:
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1 << 17, 1 << 17])
    made = bomb(tmp_path / "made.onnx", [helper.make_node("ConstantOfShape", ["shape"], ["big"])], [shape])
    often = helper.make_tensor("often", TensorProto.INT64, [4], [1, 1 << 12, 1 << 10, 1 << 10])
    tiled = bomb(tmp_path / "tiled.onnx", [helper.make_node("Tile", ["pixels", "often"], ["big"])], [often], batch=1)
    said = helper.make_tensor("big", TensorProto.FLOAT, [2], [1.0, 1.0])
    said.dims[0] = 1 << 40
    held = bomb(tmp_path / "held.onnx", [], [said])
    for path in (made, tiled, held):
        with pytest.raises(DataError, match="would hold"):
            OnnxEncoder(path)
    one = helper.make_tensor("big", TensorProto.FLOAT, [], [1.0])
    for side, batch in ((100_000, "batch"), (8, 1 << 30)):
        with pytest.raises(DataError, match=r"at once|would hold"):
            OnnxEncoder(bomb(tmp_path / "side.onnx", [], [one], side, batch))


def test_any_damage_is_one_sentence(tmp_path: Path) -> None:
    content = write_tiny_encoder(tmp_path / "m.onnx").read_bytes()
    draw = np.random.default_rng(0)
    refused = 0
    for number in range(150):
        damaged = bytearray(content)
        for place in draw.integers(0, len(content), 1 + number % 3):
            damaged[place] ^= 1 << draw.integers(0, 8)
        (tmp_path / "d.onnx").write_bytes(damaged[: len(damaged) - (number % 5) * 9])
        try:
            OnnxEncoder(tmp_path / "d.onnx")
        except DataError as error:
            refused += 1
            assert len(str(error)) < 700  # noqa: PT017
    assert refused > 50
