"""What a run learned as one ONNX file, with the preparation of its items wherever ONNX can hold that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sibyl.export.columns import join_columns
from sibyl.export.onnx_model import classifier_model, write_model
from sibyl.export.pixels import join_encoder, pixel_network
from sibyl.labeling.outputs import CLASSIFIER
from sibyl.labeling.run import Labelling
from sibyl.sources.fitted_columns import FittedColumns
from sibyl.storage import write_errors


def write_classifier(folder: Path, labelling: Labelling) -> Path:
    """Write ``folder/classifier.onnx``, and return its path.

    A table goes in by its columns, an image by its pixels where the encoder is an ONNX file or an
    EfficientNet of the extra ``encoders``; otherwise the features of the run's encoder do. The
    metadata entry ``input`` says which in words.

    Raises
    ------
    DataError
        If the file cannot be written.
    UserError
        As `classifier_model`.
    MissingExtra
        If onnx, onnxscript or onnxruntime is not installed.
    """
    classifier = labelling.solved.solution.classifier
    assert classifier is not None
    join, takes = _preparation(labelling, folder)
    notes = {
        "method": labelling.summary.method,
        "encoder": _encoder_name(labelling),
        "sibyl": labelling.summary.version,
        "input": takes,
    }
    model = join(classifier_model(classifier, labelling.matrix.shape[1], np.array(labelling.class_names), notes))
    with write_errors(folder / CLASSIFIER):
        write_model(folder / CLASSIFIER, model)
    return folder / CLASSIFIER


def _preparation(labelling: Labelling, folder: Path) -> tuple[Callable[[Any], Any], str]:
    """Return what puts the preparation of items before a model of their features, and in words what goes in then."""
    columns, encoder = labelling.source.fitted, labelling.encoder
    if columns is not None:
        takes = "numbers and categories: the columns of a table in the order of the entries of these names"
        return partial(join_columns, FittedColumns.of(columns)), takes
    network = pixel_network(encoder)
    if network is not None:
        return partial(join_encoder, network), "pixels: RGB images, resized and cut as the entry preprocessing says"
    if encoder is None:
        return _as_it_is, "features: rows as those of the run"
    which = f"rows of the encoder {_encoder_name(labelling)}, which is not in this file"
    return _as_it_is, f"features: {which}; sibyl label NEW --with {folder.name} reads both"


def _as_it_is(model: Any) -> Any:
    return model


def _encoder_name(labelling: Labelling) -> str:
    return str(labelling.summary.encoder.get("name", ""))
