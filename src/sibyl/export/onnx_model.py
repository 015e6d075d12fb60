"""An adapted classifier as an ONNX model, checked against onnxruntime before it is written."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sibyl.errors import MissingExtra, UserError
from sibyl.methods.classifiers import outlier_score
from sibyl.storage import Json, atomic_path
from sibyl.tasks import Classifier
from sibyl.threads import sleeping

TOLERANCE = 1e-5
_PROBES = 8  # rows that the written model is checked on


class _Head(nn.Module):
    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, features: Any) -> Any:
        rows = features[None]
        return self.classifier(rows)[0].softmax(-1), outlier_score(self.classifier, rows)[0]


def classifier_model(classifier: Classifier, dim: int, classes: npt.NDArray[Any], notes: Json) -> Any:
    """Turn a classifier into an ONNX model.

    Input ``features`` float32 [batch, dim]; outputs ``probabilities`` float32 [batch, class], ``outlier_score`` float32 [batch] and
    ``label`` [batch], the class itself. The metadata hold the classes as a JSON list, and `notes`.

    Parameters
    ----------
    classifier : callable
        float [1, row, dim] → logits [1, row, class], on the CPU.
    dim : int
        Columns of the features.
    classes : array [class]
        Strings, numbers or truth values.
    notes : mapping of str to JSON value
        What else a reader should know.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    UserError
        If the classifier uses an operation that ONNX lacks, or onnxruntime's answer differs by more than 1e-5.
    MissingExtra
        If onnx, onnxscript or onnxruntime is not installed.
    """
    onnx, _ = libraries()
    head = _Head(classifier).eval()
    with warnings.catch_warnings(), _quiet(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's exporter warns of its own internals
        try:
            program = torch.onnx.export(
                head,
                (torch.randn(_PROBES, dim, generator=torch.Generator().manual_seed(0)),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["features"],
                output_names=["probabilities", "outlier_score"],
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            reason = next((line for line in str(error).splitlines() if "Error'>" in line), str(error)).split(">: ")[-1]
            raise UserError(f"this classifier cannot be written as ONNX ({reason.strip()}); choose another method") from None
    assert program is not None
    model = program.model_proto
    for node in model.graph.node:  # stack traces would name files of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    model.producer_name, model.producer_version = "sibyl", ""
    _append_label(onnx, model, classes)
    metadata = {"classes": json.dumps(classes.tolist(), ensure_ascii=False), **{key: _text(value) for key, value in notes.items()}}
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    rows = torch.randn(_PROBES, dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = head(rows)
    check_outputs(model, {"features": rows.numpy()}, [one.numpy() for one in expected])
    return model


def check_outputs(model: Any, inputs: dict[str, npt.NDArray[Any]], expected: list[npt.NDArray[Any]]) -> None:
    """Compare probabilities and outlier scores of a model in onnxruntime with what they should be.

    Raises
    ------
    UserError
        If they differ by more than 1e-5.
    """
    found = run_model(model, inputs)
    error = max(float(np.abs(ours - theirs).max()) for ours, theirs in zip(found, expected, strict=True))
    if not error <= TOLERANCE:
        raise UserError(
            f"onnxruntime's answer differs by {error:.1e} from the classifier's, more than {TOLERANCE:.0e}; nothing was written"
        )


def run_model(model: Any, inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """Run a model in onnxruntime: probabilities and outlier scores."""
    _, onnxruntime = libraries()
    options = sleeping(onnxruntime.SessionOptions())
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[npt.NDArray[Any]] = session.run(["probabilities", "outlier_score"], inputs)
    return found


def write_model(path: str | Path, model: Any) -> None:
    """Write an ONNX model, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_bytes(model.SerializeToString())


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own operations that a model uses."""
    return int(next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")))


def libraries() -> tuple[Any, Any]:
    """Return the modules onnx and onnxruntime.

    Raises
    ------
    MissingExtra
        If one of them, or onnxscript, is not installed.
    """
    missing = "onnx"
    try:
        import onnx
        import onnx.helper

        missing = "onnxruntime"
        import onnxruntime

        missing = "onnxscript"
        import onnxscript  # noqa: F401 - torch's exporter imports it
    except ImportError:
        raise MissingExtra(missing, "onnx", "export to ONNX") from None
    return onnx, onnxruntime


def _append_label(onnx: Any, model: Any, classes: npt.NDArray[Any]) -> None:
    helper, proto = onnx.helper, onnx.TensorProto
    kind = {"U": proto.STRING, "b": proto.BOOL, "f": proto.DOUBLE}.get(classes.dtype.kind, proto.INT64)
    values = [name.encode() for name in classes.tolist()] if kind == proto.STRING else classes.tolist()
    model.graph.initializer.append(helper.make_tensor("classes", kind, [len(classes)], values))
    model.graph.node.append(helper.make_node("ArgMax", ["probabilities"], ["class_index"], axis=1, keepdims=0))
    model.graph.node.append(helper.make_node("Gather", ["classes", "class_index"], ["label"]))
    model.graph.output.append(helper.make_tensor_value_info("label", kind, ["batch"]))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _quiet:  # noqa: N801 - reads as a statement
    """Keep torch's exporter from logging which optional libraries it looked for."""

    def __enter__(self) -> None:
        self.logger = logging.getLogger("torch.onnx")
        self.level = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self.logger.setLevel(self.level)
