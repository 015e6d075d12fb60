"""The one saved file, of an estimator and of a label job: what was learned, what is said of the rows, and, of a job, the task.

Everything is a tensor or JSON. Reading holds all of it against one schema, and tries the classifier on two rows, before anybody gets it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from sibyl.errors import CheckpointError, UserError, reason_of
from sibyl.memmap import map_array, save_arrays, slices
from sibyl.methods import METHODS, LearnedMethod, Method, build_method
from sibyl.methods.checkpoint import load_method, rebuilt_method
from sibyl.methods.saved_classifier import put_together, take_apart, try_out
from sibyl.schemas import Header, Name, Scalar, Share, Size, check_finite, check_settings, checked
from sibyl.storage import Json, atomic_path, parse_json
from sibyl.tasks import Classifier
from sibyl.tensors import load_tensors

Array = npt.NDArray[Any]
FORMAT = "sibyl-classifier"
_OLDER = ("sibyl-estimator", 1)
_CLASSIFIER, _METHOD, _TASK = "classifier", "method.", "task"
_ANSWER = ("label_distributions_", "outlier_score_", "transduction_", "inductive_labels_")
_TEXT = re.compile(r"[<>]U(\d{1,6})")
_MOST = 1 << 20  # feature columns


class _Method(Header):
    name: Name
    settings: Annotated[dict[str, Scalar | list[Scalar]], Field(max_length=100)]


class _Shares(Header):
    shares: list[Annotated[list[Scalar], Field(min_length=2, max_length=2)]]  # a class with its share, count or word


class _Parameters(Header):
    method: Name | _Method
    class_prior: Name | list[Share] | _Shares | None
    batch_rows: Size
    is_table: Literal["auto"] | bool = "auto"


class _Classes(Header):
    dtype: Annotated[str, Field(max_length=16)]
    values: Annotated[list[Scalar], Field(min_length=1)]


class _File(Header):
    format: Literal["sibyl-classifier"]
    kind: Name
    parameters: _Parameters
    classes: _Classes
    n_features: Annotated[int, Field(ge=1, le=_MOST)]
    feature_names: list[Name]
    fell_back: bool
    classifier: Json | None


@dataclass(frozen=True, eq=False)
class RowsAnswer:
    """What is said of every row, labelled ones included.

    Parameters
    ----------
    distributions : float32 array [row, class]
        Probabilities; one-hot for labelled rows.
    outlier_score : float32 array [row]
        Higher means more likely none of the classes.
    codes, inductive : int64 array [row]
        Class with and without the other unlabelled rows.
    """

    distributions: npt.NDArray[np.float32]
    outlier_score: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]
    inductive: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Saved:
    """What a file holds.

    Parameters
    ----------
    kind : str
        What wrote it: the name of an estimator's class, or ``sibyl label``.
    method : str or Method
        A name of `sibyl.METHODS`, or a method with its parameters.
    class_prior : None, "balanced", list of shares or mapping of class to share
        What was known of the class mix.
    classes : array [class]
        In the order of the classifier's answers.
    n_features : int
        Columns of the rows.
    class_mix : float64 array [class]
        Estimated shares.
    fell_back : bool
        The answer is the inductive one.
    classifier : callable, optional
        For new rows; None where it is not made of tensors.
    answer : RowsAnswer, optional
        What is said of the rows.
    feature_names : tuple of str
        Of the columns, where they have names.
    batch_rows, is_table : int, "auto" or bool
        Of the estimator.
    task : mapping, optional
        What a label job keeps of its task, as JSON can hold it; unchecked.
    arrays : mapping of str to array
        What belongs to the task: ``features`` and others.
    """

    kind: str
    method: str | Method
    class_prior: Any
    classes: Array
    n_features: int
    class_mix: npt.NDArray[np.float64]
    fell_back: bool
    classifier: Classifier | None
    answer: RowsAnswer | None = None
    feature_names: tuple[str, ...] = ()
    batch_rows: int = 16_384
    is_table: Literal["auto"] | bool = "auto"
    task: Json | None = None
    arrays: Mapping[str, Array] = field(default_factory=dict)

    def write(self, path: str | Path) -> Json:
        """Write to one file, whole or not at all, and return its JSON part.

        Raises
        ------
        UserError
            If the classifier or the method is not made of tensors and settings.
        """
        tensors, description = take_apart(self.classifier) if self.classifier is not None else ({}, {_CLASSIFIER: None})
        header: Json = {
            "format": FORMAT,
            "kind": self.kind,
            "parameters": {
                "method": _method_to_json(self.method, tensors),
                "class_prior": _prior_to_json(self.class_prior),
                "batch_rows": int(self.batch_rows),
                "is_table": self.is_table if self.is_table == "auto" else bool(self.is_table),
            },
            "classes": {"dtype": self.classes.dtype.str, "values": self.classes.tolist()},
            "n_features": int(self.n_features),
            "feature_names": list(self.feature_names),
            "fell_back": bool(self.fell_back),
            **description,
        }
        arrays: dict[str, Array] = {name: np.asarray(tensor.numpy(), order="C") for name, tensor in tensors.items()}
        arrays["class_mix_"] = np.asarray(self.class_mix, np.float64)
        if self.answer is not None:
            parts = (self.answer.distributions, self.answer.outlier_score, self.answer.codes, self.answer.inductive)
            arrays |= dict(zip(_ANSWER, parts, strict=True))
        if self.task is not None:
            # Not in the header, which is read whole and may not be long: a million names are.
            arrays[_TASK] = np.frombuffer(json.dumps(self.task).encode(), np.uint8)
        with atomic_path(path) as partial:
            save_arrays(partial, arrays | dict(self.arrays), header)
        return header


def read_saved(path: str | Path, device: str | torch.device = "cpu") -> Saved:
    """Read what `Saved.write` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of an older version, or holds something else.
    """
    path = Path(path)
    tensors, metadata = load_tensors(path, leave=("features",))
    if metadata.get("format") in _OLDER:
        raise CheckpointError(f"{path}: was written by an earlier version of sibyl, whose files are not read; fit or label again")
    header = checked(_File, metadata, path, "a saved classifier")
    try:
        return _read(path, header, metadata, tensors, device)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        reason = reason_of(error, with_kind=True)
        raise CheckpointError(f"{path}: a saved classifier with parts that do not fit ({reason}); save it again") from None


def _read(path: Path, header: _File, metadata: Json, tensors: dict[str, Tensor], device: str | torch.device) -> Saved:
    classes = _classes(header.classes, path)
    mix = tensors["class_mix_"].numpy()
    if mix.dtype != np.float64 or mix.shape != classes.shape or len(header.feature_names) not in (0, header.n_features):
        raise ValueError("classes, class mix and columns differ in number")
    check_finite(path, tensors)
    classifier = None
    if header.classifier is not None:
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(_CLASSIFIER)}
        classifier = put_together(own, metadata, device)
        try_out(classifier, own, header.n_features, len(classes), path, device)
    features = map_array(path, "features") if _TASK in tensors else None
    answer = _answer(tensors, len(classes)) if _ANSWER[0] in tensors else None
    rows = [len(part) for part in (features, None if answer is None else answer.distributions) if part is not None]
    if len(set(rows)) > 1 or (features is not None and (features.ndim != 2 or features.shape[1] != header.n_features)):
        raise ValueError("rows of features and answers differ in number")
    known = (*_ANSWER, _TASK, "class_mix_")
    rest = {name: one.numpy() for name, one in tensors.items() if name not in known and not name.startswith((_CLASSIFIER, _METHOD))}
    return Saved(
        header.kind,
        _method_from_json(header.parameters.method, tensors, path),
        _prior_from_json(header.parameters.class_prior),
        classes,
        header.n_features,
        mix,
        header.fell_back,
        classifier,
        answer,
        tuple(header.feature_names),
        header.parameters.batch_rows,
        header.parameters.is_table,
        parse_json(tensors[_TASK].numpy().tobytes()) if _TASK in tensors else None,
        rest if features is None else rest | {"features": features},
    )


def _classes(said: _Classes, path: Path) -> Array:
    text = _TEXT.fullmatch(said.dtype)
    if text is None and not re.fullmatch(r"[<>|][iuf][1248]|\|b1|\|O", said.dtype):
        raise CheckpointError(f"{path}: its classes are of the type {said.dtype!r}, which no version of sibyl wrote")
    if text is not None and not max(len(str(one)) for one in said.values) <= int(text[1]) <= 100_000_000 // (4 * len(said.values)):
        raise CheckpointError(f"{path}: its classes do not fit the type {said.dtype!r}; save it again")
    classes: Array = np.array(said.values, dtype=said.dtype)
    if len({(type(one), one) for one in classes.tolist()}) != len(classes) or any(one is None for one in said.values):
        raise CheckpointError(f"{path}: names a class twice; save it again")
    return classes


def _answer(tensors: Mapping[str, Tensor], n_way: int) -> RowsAnswer:
    distributions, doubt, codes, inductive = (tensors[name].numpy() for name in _ANSWER)
    n = len(distributions)
    kinds = [array.dtype for array in (distributions, doubt, codes, inductive)]
    if kinds != [np.float32, np.float32, np.int64, np.int64] or distributions.shape != (n, n_way):
        raise ValueError("the answer is of another type or shape")
    if not doubt.shape == codes.shape == inductive.shape == (n,) or any(
        len(one) and not 0 <= one.min() <= one.max() < n_way for one in (codes, inductive)
    ):
        raise ValueError("the answer names a class that there is not")
    for part in slices(distributions):
        if (distributions[part] < 0).any() or not np.allclose(distributions[part].sum(1), 1, atol=1e-3):
            raise ValueError("the answer is not made of probabilities")
    return RowsAnswer(distributions, doubt, codes, inductive)


def _method_to_json(method: str | Path | Method, tensors: dict[str, Tensor]) -> Any:
    if isinstance(method, str | Path):
        if str(method) in METHODS:
            return str(method)
        method = load_method(method)  # its parameters go along: a path would mean another file elsewhere
    if METHODS.get(method.name) is not type(method):
        raise UserError(
            f"a classifier with a method of one's own ({type(method).__name__}) cannot be saved; give the name of a method"
        )
    if isinstance(method, LearnedMethod):
        tensors.update({f"{_METHOD}{name}": tensor.detach().cpu() for name, tensor in method.state_dict().items()})
        return {"name": method.name, "settings": method.settings}
    return {"name": method.name, "settings": asdict(method) if is_dataclass(method) else {}}


def _method_from_json(saved: str | _Method, tensors: Mapping[str, Tensor], path: Path) -> str | Method:
    name = saved if isinstance(saved, str) else saved.name
    if name not in METHODS:
        raise CheckpointError(f"{path}: names the method {name[:80]!r}, which this sibyl does not know; update sibyl")
    if isinstance(saved, str):
        return saved
    if issubclass(METHODS[name], LearnedMethod):
        own = {one.removeprefix(_METHOD): tensor for one, tensor in tensors.items() if one.startswith(_METHOD)}
        return rebuilt_method(name, saved.settings, own, path)
    check_settings(METHODS[name], saved.settings, path)
    return build_method(name, saved.settings)


def _prior_to_json(prior: Any) -> Any:
    if prior is None or isinstance(prior, str):
        return prior
    if isinstance(prior, Mapping):
        shares = [(np.asarray(name).item(), share if isinstance(share, str) else float(share)) for name, share in prior.items()]
        return {"shares": shares}
    return np.asarray(prior, float).flatten().tolist()


def _prior_from_json(saved: Any) -> Any:
    return {name: share for name, share in saved.shares} if isinstance(saved, _Shares) else saved  # noqa: C416 - pairs are lists
