"""FiftyOne: images and a JSON file of labels with their confidence."""

from __future__ import annotations

import json
from pathlib import Path

from sibyl.export.class_folders import free_name, place, safe_name
from sibyl.export.labelled_items import LabelledItems, write_whole


def write_fiftyone_dataset(folder: Path, labelled: LabelledItems) -> None:
    """Write the images into ``data`` and their labels into ``labels.json``.

    It is what FiftyOne calls a ``FiftyOneImageClassificationDataset``: class names by number, and for the name of each file without its
    ending the number of its class, the confidence (1 for labels of a person) and as attributes the item's own name and whether a person
    labelled it. ``fiftyone.Dataset.from_dir(folder, fiftyone.types.FiftyOneImageClassificationDataset)`` opens it.

    Raises
    ------
    DataError
        If the items are no images.
    """
    labelled.need("image", purpose="FiftyOne's dataset of images")
    (folder / "data").mkdir()
    taken: set[str] = set()
    labels = {}
    for row, item in enumerate(labelled.items):
        name = Path(safe_name(item.name.replace("/", "__")))
        stem = free_name(name.stem.replace(".", "_"), taken)  # a file is known by its name without the ending
        place(item, folder / "data" / f"{stem}{name.suffix}")
        by_person = bool(labelled.by_person[row])
        labels[stem] = {
            "label": int(labelled.labels[row]),
            "confidence": 1.0 if by_person else round(float(labelled.probabilities[row].max()), 6),
            "attributes": {"item": item.name, "by_person": by_person},
        }
    described = {"classes": list(labelled.class_names), "labels": labels}
    write_whole(folder / "labels.json", json.dumps(described, ensure_ascii=False, indent=1) + "\n")
