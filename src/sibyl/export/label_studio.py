"""Label Studio: tasks with predictions, and the labelling interface that fits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from sibyl.export.labelled_items import LabelledItems, write_whole
from sibyl.sources.item import Item, Unreadable

_TAGS = {"image": "Image", "text": "Text", "audio": "Audio"}


def write_label_studio(folder: Path, labelled: LabelledItems) -> None:
    """Write ``tasks.json`` (import it into a project) and ``interface.xml`` (the project's labelling interface).

    Labels of the method are predictions with their confidence as score, so that tasks can be sorted by it; labels of a person are
    annotations. Files are named as Label Studio's local storage serves them: its document root must be the folder that was labelled.

    Raises
    ------
    DataError
        If the items are neither images, texts nor clips.
    """
    labelled.need("image", "text", "audio", purpose="a Label Studio project")
    modality = labelled.source.modality
    tasks = []
    for row, item in enumerate(labelled.items):
        choice = {"from_name": "label", "to_name": "item", "type": "choices", "value": {"choices": [labelled.label_of(row)]}}
        task: dict[str, Any] = {"data": {"item": _content(item, modality), "name": item.name}}
        if labelled.by_person[row]:
            task["annotations"] = [{"result": [choice]}]
        else:
            score = round(float(labelled.probabilities[row].max()), 6)
            task["predictions"] = [{"model_version": labelled.method, "score": score, "result": [choice]}]
        tasks.append(task)
    write_whole(folder / "tasks.json", json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    write_whole(folder / "interface.xml", _interface(modality, labelled.class_names))


def _content(item: Item, modality: str) -> str:
    if modality != "text":
        return f"/data/local-files/?d={quote(item.name)}"
    try:
        return item.read().decode("utf-8", "replace").removeprefix("\ufeff")
    except Unreadable:  # gone since it was encoded
        return ""


def _interface(modality: str, class_names: tuple[str, ...]) -> str:
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in class_names)
    return (
        f'<View>\n  <{_TAGS[modality]} name="item" value="$item"/>\n'
        f'  <Choices name="label" toName="item" choice="single" showInline="true">\n{choices}  </Choices>\n</View>\n'
    )
