"""Which of a person's labels become examples: all that were taught, and of those confirmed in bulk a few a class.

What a person confirms in bulk is what Sibyl was sure of. As examples, hundreds of such items drown the hard classes: 926 right labels,
confirmed class by class on photographs, took the other 453 from 57.0 to 32.7 % right. As items among the others they do no harm, and
their label is final all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

PER_CLASS = 5


def examples_of(
    names: Sequence[str],
    matrix: npt.NDArray[np.floating[Any]],
    taught: Mapping[str, str],
    confirmed: Mapping[str, str],
) -> dict[str, str]:
    """Return the examples of the task, item → class, in the order in which they were given.

    `PER_CLASS` confirmed items of a class teach, those that stand for the others; fewer where others of the class were taught.

    Parameters
    ----------
    names : sequence of str
        Item of each row.
    matrix : float array [item, dim]
        Features.
    taught, confirmed : mapping of str to str
        Item → class.
    """
    from sibyl.labeling.first_items import first_items

    row_of = {name: row for row, name in enumerate(names)}
    by_class: dict[str, list[str]] = {}
    for item, label in confirmed.items():
        if item in row_of and item not in taught:
            by_class.setdefault(label, []).append(item)
    chosen: dict[str, str] = {}
    n_taught = dict.fromkeys(by_class, 0)
    for label in taught.values():
        if label in n_taught:
            n_taught[label] += 1
    for label, items in by_class.items():
        room = PER_CLASS - n_taught[label]
        if room > 0:
            rows = first_items(matrix[sorted(row_of[item] for item in items)], room)
            in_order = sorted(items, key=row_of.__getitem__)
            chosen |= {in_order[place]: label for place in rows.tolist()}
    return {**{item: label for item, label in taught.items() if item in row_of}, **chosen}
