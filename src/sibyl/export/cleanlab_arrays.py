"""cleanlab: the arrays that its functions take."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sibyl.export.labelled_items import LabelledItems, write_whole


def write_cleanlab_arrays(folder: Path, labelled: LabelledItems) -> None:
    """Write ``labels.npy``, ``pred_probs.npy``, ``features.npy``, ``by_person.npy`` and ``items.json``.

    As in ``find_label_issues(labels, pred_probs)``. The probabilities of items that a person labelled are one-hot, not out of sample:
    leave those rows (``by_person``) out, or give the method's labels on them.
    """
    np.save(folder / "labels.npy", labelled.labels, allow_pickle=False)
    np.save(folder / "pred_probs.npy", labelled.probabilities, allow_pickle=False)
    np.save(folder / "features.npy", np.asarray(labelled.matrix, np.float32), allow_pickle=False)
    np.save(folder / "by_person.npy", labelled.by_person, allow_pickle=False)
    names = {"items": list(labelled.names), "class_names": list(labelled.class_names)}
    write_whole(folder / "items.json", json.dumps(names, ensure_ascii=False, indent=1) + "\n")
