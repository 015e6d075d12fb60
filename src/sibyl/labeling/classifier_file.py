"""What a run learned as one ONNX file, with the preparation of its items wherever ONNX can hold that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sibyl.encoders.onnx import OnnxEncoder
from sibyl.errors import DataError
from sibyl.export.columns import join_columns
from sibyl.export.onnx_model import classifier_model, write_model
from sibyl.export.pixels import join_encoder
from sibyl.labeling.run import Labelling
from sibyl.sources.fitted_columns import FittedColumns

FILE = "classifier.onnx"


def write_classifier(folder: Path, labelling: Labelling) -> Path:
    """Write ``folder/classifier.onnx``, and return its path.

    A table goes in by its columns, an image by its pixels where the encoder is an ONNX file; otherwise the features of the run's encoder
    do. The metadata entry ``input`` says which in words.

    Raises
    ------
    DataError
        If the method ends in no classifier, or the file cannot be written.
    UserError
        As `classifier_model`.
    MissingExtra
        If onnx, onnxscript or onnxruntime is not installed.
    """
    classifier = labelling.solved.solution.classifier
    if classifier is None:
        raise DataError(f"method {labelling.summary.method_name} ends in no classifier that could be exported")
    columns = labelling.source.fitted
    encoder = str(labelling.summary.encoder.get("name", ""))
    if columns is not None:
        takes = "numbers and categories: the columns of a table in the order of the entries of these names"
    elif isinstance(labelling.encoder, OnnxEncoder):
        takes = "pixels: RGB images, resized and cut as the entry preprocessing says"
    elif labelling.encoder is None:
        takes = "features: rows as those of the run"
    else:
        takes = (
            f"features: rows of the encoder {encoder}, which is not in this file; sibyl label NEW --with {folder.name} reads both"
        )
    notes = {"method": labelling.summary.method, "encoder": encoder, "sibyl": labelling.summary.version, "input": takes}
    classes = np.array(labelling.class_names)
    model: Any = classifier_model(classifier, labelling.matrix.shape[1], classes, notes)
    if columns is not None:
        model = join_columns(FittedColumns.of(columns), model)
    elif isinstance(labelling.encoder, OnnxEncoder):
        model = join_encoder(labelling.encoder, model)
    try:
        write_model(folder / FILE, model)
    except OSError as error:
        raise DataError(
            f"{folder / FILE}: cannot be written ({error.strerror or error}); free space or choose another folder"
        ) from None
    return folder / FILE
