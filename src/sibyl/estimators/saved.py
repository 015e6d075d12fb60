"""A fitted estimator in one safetensors file: tensors, and everything else as JSON in its header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from sibyl.errors import CheckpointError, UserError
from sibyl.methods import METHODS, LearnedMethod, Method, build_method
from sibyl.methods.saved_classifier import put_together, take_apart
from sibyl.storage import Json, load_tensors, save_tensors

FORMAT = "sibyl-estimator"
_ROWS = ("label_distributions_", "outlier_score_")


def save_estimator(path: str | Path, estimator: BaseEstimator, rows: bool) -> Json:
    """Write a fitted estimator, whole or not at all, and return its JSON part.

    Parameters
    ----------
    path : path
        Conventionally ends in ``.safetensors``.
    estimator : TransductiveClassifier
        Fitted.
    rows : bool
        Keep what is said of the rows of `fit` too.

    Raises
    ------
    UserError
        If the classifier or the method is not made of tensors and settings.
    """
    tensors, description = take_apart(estimator.classifier_)
    classes = estimator.classes_
    if rows:
        tensors |= {name: torch.from_numpy(getattr(estimator, name)) for name in _ROWS}
        for name in ("transduction_", "inductive_labels_"):
            tensors[name] = torch.from_numpy(np.searchsorted(classes, getattr(estimator, name)))
    tensors["class_mix_"] = torch.from_numpy(np.asarray(estimator.class_mix_))
    metadata: Json = {
        "format": FORMAT,
        "kind": type(estimator).__name__,
        "parameters": {
            "method": _method_to_json(estimator.method, tensors),
            "class_prior": _prior_to_json(estimator.class_prior),
            "batch_rows": int(estimator.batch_rows),
        },
        "classes": {"dtype": classes.dtype.str, "values": classes.tolist()},
        "n_features": int(estimator.n_features_in_),
        "feature_names": np.asarray(getattr(estimator, "feature_names_in_", ())).tolist(),
        "fell_back": estimator.fell_back_,
        **description,
    }
    save_tensors(path, tensors, metadata)
    return metadata


def load_estimator(path: str | Path, device: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what `save_estimator` wrote: the constructor's parameters, and the fitted attributes.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or holds something else.
    """
    tensors, saved = load_tensors(path)
    if saved.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected a saved classifier, got {saved.get('format')!r}")
    try:
        parameters = saved["parameters"] | {
            "method": _method_from_json(saved["parameters"]["method"], tensors),
            "class_prior": _prior_from_json(saved["parameters"]["class_prior"]),
            "device": device,
        }
        classes: npt.NDArray[Any] = np.array(saved["classes"]["values"], dtype=saved["classes"]["dtype"])
        attributes = {
            "classes_": classes,
            "n_features_in_": saved["n_features"],
            "fell_back_": saved["fell_back"],
            "class_mix_": tensors["class_mix_"].numpy(),
            "device_": device,
            "classifier_": put_together(tensors, saved, device),
        }
        if saved["feature_names"]:
            attributes["feature_names_in_"] = np.array(saved["feature_names"], dtype=object)
        if _ROWS[0] in tensors:
            attributes |= {name: tensors[name].numpy() for name in _ROWS}
            attributes |= {name: classes[tensors[name].numpy()] for name in ("transduction_", "inductive_labels_")}
    except (KeyError, TypeError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"{path}: a saved classifier with parts missing ({error}); save it again") from None
    return parameters, attributes


def _method_to_json(method: str | Path | Method, tensors: dict[str, Tensor]) -> Any:
    if isinstance(method, str | Path):
        return str(method)
    if METHODS.get(method.name) is not type(method):
        raise UserError(
            f"a classifier with a method of one's own ({type(method).__name__}) cannot be saved; give the name of a method"
        )
    if isinstance(method, LearnedMethod):
        tensors.update({f"method.{name}": tensor for name, tensor in method.state_dict().items()})
        return {"name": method.name, "settings": method.settings}
    return {"name": method.name, "settings": asdict(method) if is_dataclass(method) else {}}


def _method_from_json(saved: Any, tensors: Mapping[str, Tensor]) -> str | Method:
    if isinstance(saved, str):
        return saved
    with torch.random.fork_rng(devices=[]):
        method = build_method(saved["name"], saved["settings"])
    if isinstance(method, LearnedMethod):
        start = "method."
        method.load_state_dict({name.removeprefix(start): one for name, one in tensors.items() if name.startswith(start)})
        method.eval()
    return method


def _prior_to_json(prior: Any) -> Any:
    if prior is None or isinstance(prior, str):
        return prior
    if isinstance(prior, Mapping):
        return {
            "shares": [
                [np.asarray(name).item(), share if isinstance(share, str) else float(share)] for name, share in prior.items()
            ]
        }
    return np.asarray(prior, float).tolist()


def _prior_from_json(saved: Any) -> Any:
    return {name: share for name, share in saved["shares"]} if isinstance(saved, dict) else saved  # noqa: C416 - pairs are lists
