"""run.safetensors: the task of a run, its answer and its classifier, in the one saved file of `sibyl.estimators.saved`.

To suggest is to load, to add corrections and to solve again; to label new items is to load and to ask the classifier. One file, so that
its parts cannot be of two runs, and none of it needs the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from sibyl.errors import CheckpointError, DataError, UserError
from sibyl.estimators.saved import RowsAnswer, Saved, read_saved
from sibyl.labeling.examples import Examples
from sibyl.labeling.file_names import RUN
from sibyl.labeling.outputs import finish_output
from sibyl.memmap import allocate, slices
from sibyl.methods import METHODS, LearnedMethod, Method
from sibyl.methods.named import check_shape, method_by_name
from sibyl.methods.saved_classifier import take_apart
from sibyl.schemas import Header, Name, checked
from sibyl.sources.fitted import Fitted
from sibyl.storage import Json
from sibyl.tasks import Classifier, Solution
from sibyl.transduction.class_names import read_class_vectors

KIND = "sibyl label"
_FITTED = "fitted."  # in front of the names of its tensors
_NAMES = "class_vectors"  # a row a class, zeros where it has no name


class _Source(Header):
    root: Name
    modality: Annotated[str, Field(max_length=40)]
    encoder: Name | None
    encoder_key: Name
    column: Name | None
    label_column: Name | None
    id_column: Name | None
    text_column: Name | None = None
    kind: Name | None = None
    ignore: Annotated[list[Name], Field(default_factory=list)]


class _Fitted(Header):
    kind: Name
    settings: Json
    key: Name


class _Task(Header):
    names: list[Name]
    labels: dict[Name, Name]
    origins: dict[Name, Literal["folder", "column", "correction", "example"]]
    source: _Source
    fitted: _Fitted | None


@dataclass(frozen=True, eq=False)
class SavedRun:
    """The task of a run and how it was solved.

    Parameters
    ----------
    names : tuple of str
        Item of each row.
    matrix : float32 array [item, dim]
        Features.
    examples : Examples
        Labelled items, corrections among them.
    method : str or Method
        A name of `sibyl.METHODS`, or a method with its parameters.
    class_prior : None, "balanced", list of shares, or mapping of class to share, count or word
        What was known of the class mix.
    source : mapping
        ``root``, ``modality``, ``encoder`` (as a person names it), its ``encoder_key``, ``column``, ``label_column`` and ``id_column``.
    fitted : Fitted, optional
        What a table was scaled and encoded with, or what an encoder learned from the items, so that later ones become rows alike.
    classifier : callable, optional
        What the run ended in; None where no file can hold it.
    answer : RowsAnswer, optional
        What is said of every row.
    class_mix : float64 array [class]
        Estimated shares.
    fell_back : bool
        The answer is the inductive one.
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    examples: Examples
    method: str | Method
    class_prior: Any = None
    source: Mapping[str, Any] = field(default_factory=dict)
    fitted: Fitted | None = None
    classifier: Classifier | None = None
    answer: RowsAnswer | None = None
    class_mix: npt.NDArray[np.float64] | None = None
    fell_back: bool = False

    def write(self, path: Path) -> None:
        """Write to one file, whole or not at all."""
        n_way = len(self.examples.class_names)
        task: Json = {
            "names": list(self.names),
            "labels": dict(self.examples.labels),
            "origins": dict(self.examples.origins),
            "source": dict(self.source),
            "fitted": None,
        }
        arrays: dict[str, npt.NDArray[Any]] = {"features": np.asarray(self.matrix, np.float32)}
        if self.fitted is not None:
            task["fitted"] = {"kind": self.fitted.kind, "settings": self.fitted.settings, "key": self.fitted.key}
            arrays |= {_FITTED + name: np.ascontiguousarray(array) for name, array in self.fitted.arrays.items()}
        if self.examples.vectors:
            arrays[_NAMES] = read_class_vectors(self.examples.vectors, self.examples.class_names, self.matrix.shape[1])
        mix = np.full(n_way, 1 / max(n_way, 1)) if self.class_mix is None else self.class_mix
        Saved(
            KIND,
            self.method,
            self.class_prior,
            np.array(self.examples.class_names, object),
            self.matrix.shape[1],
            mix,
            self.fell_back,
            self.classifier,
            self.answer,
            is_table=self.is_table,
            task=task,
            arrays=arrays,
        ).write(path)

    @classmethod
    def read(cls, out: str | Path, *, needs_rows: bool = True) -> SavedRun:
        """Read the run of an output folder, or a file of that kind.

        Parameters
        ----------
        out : path
            The folder, or the file itself.
        needs_rows : bool
            Refuse what an estimator saved: a classifier without the rows that it was learned from.

        Raises
        ------
        DataError
            If the folder holds no run.
        CheckpointError
            If its file is damaged, of an older version, or holds no task.
        """
        finish_output(out)
        path = run_file(out)
        saved = read_saved(path)
        if saved.task is None:
            if needs_rows or saved.classifier is None:
                raise CheckpointError(f"{path}: holds no items, as a classifier that was saved does; expected a run of sibyl label")
            classes = tuple(str(one) for one in saved.classes.tolist())
            no_rows = np.zeros((0, saved.n_features), np.float32)
            examples = Examples({}, classes, str(path))
            return cls((), no_rows, examples, saved.method, classifier=saved.classifier, class_mix=saved.class_mix)
        task = checked(_Task, saved.task, path, "a run of sibyl label")
        classes = saved.classes.tolist()
        known = set(task.names)
        vectors = _vectors(saved.arrays.get(_NAMES), classes, saved.n_features)
        is_sound = (
            len(known) == len(task.names) == len(saved.arrays["features"])
            and all(isinstance(name, str) for name in classes)
            and task.labels.keys() <= known
            and {*task.labels.values(), *vectors} == set(classes)
            and (saved.answer is None or len(saved.answer.codes) == len(task.names))
            and (not isinstance(saved.class_prior, list) or len(saved.class_prior) == len(classes))
        )
        if not is_sound:
            raise CheckpointError(f"{path}: damaged (its items, labels and rows do not fit each other); run sibyl label again")
        return cls(
            tuple(task.names),
            saved.arrays["features"],
            Examples(task.labels, tuple(classes), str(path), dict(task.origins), vectors),
            saved.method,
            saved.class_prior,
            task.source.model_dump(),
            _fitted(path, saved.arrays, task.fitted),
            saved.classifier,
            saved.answer,
            saved.class_mix,
            saved.fell_back,
        )

    @property
    def is_table(self) -> bool:
        """Whether rows are the columns of a table."""
        return self.source.get("modality") == "table"

    def build_method(self) -> Method:
        """Return the method that solved the run."""
        shape = self.matrix.shape[1], len(self.examples.class_names)
        if isinstance(self.method, str):
            return method_by_name(self.method, *shape)
        check_shape(self.method, *shape, self.method.name)
        return self.method


def _vectors(rows: npt.NDArray[Any] | None, classes: Sequence[str], n_features: int) -> dict[str, npt.NDArray[np.float32]]:
    """Return the names that a file holds as rows; none where they do not fit, so that the classes are found wrong."""
    if rows is None or rows.dtype != np.float32 or rows.shape != (len(classes), n_features):
        return {}
    return {name: row for name, row in zip(classes, rows, strict=True) if row.any()}


def run_file(out: str | Path) -> Path:
    """Return the file of a run: of the output folder that is named, or itself.

    Raises
    ------
    DataError
        If there is none.
    """
    path = Path(out)
    if path.is_file() and path.suffix == ".safetensors":
        return path
    if not (path / RUN).is_file():
        raise DataError(f"{out}: holds no {RUN}; expected the --out folder of an earlier: sibyl label")
    return path / RUN


def _fitted(path: Path, arrays: Mapping[str, npt.NDArray[Any]], kept: _Fitted | None) -> Fitted | None:
    if kept is None:
        return None
    own = {name.removeprefix(_FITTED): array for name, array in arrays.items() if name.startswith(_FITTED)}
    fitted = Fitted(kept.kind, kept.settings, own)
    if fitted.key != kept.key:
        raise CheckpointError(
            f"{path}: damaged (what the first items were prepared with is not what was written); run sibyl label again"
        )
    return fitted


def answer_of(solution: Solution, codes: npt.NDArray[np.int64], n_way: int) -> RowsAnswer:
    """Return what a solved task says of every row.

    Parameters
    ----------
    solution : Solution
        Of a batch of one, whose queries are the unlabelled rows in their order.
    codes : int64 array [row]
        Class of each row; −1 where it is unlabelled.
    n_way : int
        Number of classes.
    """
    assert solution.inductive_logits is not None
    labelled, asked = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    distributions, doubt, inductive = allocate((len(codes), n_way)), np.zeros(len(codes), np.float32), codes.copy()
    distributions[labelled, codes[labelled]] = 1
    for part in slices(solution.logits[0]):
        rows, shares = asked[part], solution.logits[0, part].float().softmax(-1)
        distributions[rows] = shares.numpy()
        score = 1 - shares.amax(-1) if solution.outlier_score is None else solution.outlier_score[0, part].float()
        doubt[rows] = score.numpy()
        inductive[rows] = solution.inductive_logits[0, part].argmax(-1).numpy()
    final = codes.copy()
    final[asked] = solution.logits[0].argmax(-1).numpy()
    return RowsAnswer(distributions, doubt, final, inductive)


def kept_method(given: str | Method, method: Method) -> str | Method | None:
    """Return what a file keeps of a method: its name, or itself with its parameters; None where neither would do."""
    if isinstance(given, str) and given in METHODS:
        return given
    if METHODS.get(method.name) is not type(method):
        return None
    return method.cpu() if isinstance(method, LearnedMethod) else method


def kept_classifier(classifier: Classifier | None) -> Classifier | None:
    """Return a classifier if a file can hold it."""
    try:
        if classifier is not None:
            take_apart(classifier)
    except UserError:
        return None
    return classifier


def plain_prior(class_prior: Any) -> Any:
    """Return what is known of the class mix as JSON can hold it."""
    if class_prior is None or isinstance(class_prior, str):
        return class_prior
    if isinstance(class_prior, Mapping):
        return {str(name): value if isinstance(value, str) else float(value) for name, value in class_prior.items()}
    return [float(share) for share in torch.as_tensor(class_prior).flatten().tolist()]
