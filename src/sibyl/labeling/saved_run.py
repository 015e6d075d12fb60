"""run.safetensors: what a run solved, kept so that it can be solved again without the data: to suggest, and to label new items.

The task is kept, not the solved classifier: solving takes a moment, gives the same answer every time, and works for every method.
Rows of features, and what an encoder learned from the items, are tensors; names, examples, settings, provenance and how a table's columns
were scaled are JSON in the file's header. One file, so that its parts cannot be of two runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sibyl.errors import CheckpointError, DataError
from sibyl.labeling.examples import Examples
from sibyl.mapped import map_array, save_arrays
from sibyl.methods import METHODS, LearnedMethod, Method, build_method
from sibyl.methods.named import method_by_name
from sibyl.sources.fitted import Fitted
from sibyl.storage import Json, load_tensors

FILE = "run.safetensors"
_FORMAT = 1
_FITTED = "fitted."  # in front of the names of its tensors


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
    method : mapping
        What was ``typed``, a name or the path of a checkpoint; or ``name`` and ``settings``.
    class_prior : None, "balanced", list of shares, or mapping of class to share, count or word
        What was known of the class mix.
    source : mapping
        ``root``, ``modality``, ``encoder`` (as a person names it), its ``encoder_key``, ``column``, ``label_column`` and ``id_column``.
    fitted : Fitted, optional
        What a table was scaled and encoded with, or what an encoder learned from the items, so that later ones become rows alike.
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.float32]
    examples: Examples
    method: Mapping[str, Any]
    class_prior: Any = None
    source: Mapping[str, Any] = field(default_factory=dict)
    fitted: Fitted | None = None

    def write(self, path: Path) -> None:
        """Write to one file; meant for a path that is made whole elsewhere."""
        header: Json = {
            "format": _FORMAT,
            "names": list(self.names),
            "labels": dict(self.examples.labels),
            "class_names": list(self.examples.class_names),
            "origins": dict(self.examples.origins),
            "method": dict(self.method),
            "class_prior": self.class_prior,
            "source": dict(self.source),
        }
        tensors: dict[str, npt.NDArray[Any]] = {"features": np.asarray(self.matrix, np.float32)}
        if self.fitted is not None:
            header["fitted"] = {"kind": self.fitted.kind, "settings": self.fitted.settings, "key": self.fitted.key}
            tensors |= {_FITTED + name: np.ascontiguousarray(array) for name, array in self.fitted.arrays.items()}
        save_arrays(path, tensors, header)

    @classmethod
    def read(cls, out: str | Path) -> SavedRun:
        """Read the run of an output folder.

        Raises
        ------
        DataError
            If the folder holds no run.
        CheckpointError
            If its file is damaged or of another format.
        """
        path = Path(out) / FILE
        if not path.is_file():
            raise DataError(f"{out}: holds no {FILE}; expected the --out folder of an earlier: sibyl label")
        tensors, header = load_tensors(path)
        wanted = {"names", "labels", "class_names", "origins", "method", "class_prior", "source"}
        if header.get("format") != _FORMAT or not _is_matrix(tensors.get("features")) or not wanted <= header.keys():
            raise CheckpointError(f"{path}: not a run that this version of sibyl reads; run sibyl label again")
        examples = Examples(header["labels"], tuple(header["class_names"]), str(path), header["origins"])
        return cls(
            tuple(header["names"]),
            map_array(path, "features"),
            examples,
            header["method"],
            header["class_prior"],
            header["source"],
            _fitted(path, tensors, header.get("fitted")),
        )

    def build_method(self) -> Method:
        """Build the method that solved the run."""
        if "typed" in self.method:
            return method_by_name(self.method["typed"], self.matrix.shape[1], len(self.examples.class_names))
        return build_method(self.method["name"], self.method["settings"])


def _is_matrix(features: Tensor | None) -> bool:
    return features is not None and features.dtype == torch.float32 and features.ndim == 2


def _fitted(path: Path, tensors: Mapping[str, Tensor], kept: Json | None) -> Fitted | None:
    if kept is None:
        return None
    arrays = {name.removeprefix(_FITTED): tensor.numpy() for name, tensor in tensors.items() if name.startswith(_FITTED)}
    fitted = Fitted(str(kept.get("kind")), dict(kept.get("settings") or {}), arrays)
    if fitted.key != kept.get("key"):
        raise CheckpointError(
            f"{path}: damaged (what the first items were prepared with is not what was written); run sibyl label again"
        )
    return fitted


def describe_method(given: str | Method, method: Method) -> Json | None:
    """Say how a method is built again: by what was typed, or by its name and settings; None where neither would do."""
    if isinstance(given, str):
        return {"typed": str(Path(given).absolute()) if given not in METHODS and Path(given).is_file() else given}
    if isinstance(method, LearnedMethod) or method.name not in METHODS or not is_dataclass(method):
        return None
    return {"name": method.name, "settings": {one.name: getattr(method, one.name) for one in fields(method) if one.init}}


def plain_prior(class_prior: Any) -> Any:
    """Return what is known of the class mix as JSON can hold it."""
    if class_prior is None or isinstance(class_prior, str):
        return class_prior
    if isinstance(class_prior, Mapping):
        return {str(name): value if isinstance(value, str) else float(value) for name, value in class_prior.items()}
    return [float(share) for share in torch.as_tensor(class_prior).flatten().tolist()]


def prior_of(plain: Any) -> Any:
    """Undo `plain_prior`."""
    return torch.tensor(plain) if isinstance(plain, list) else plain
