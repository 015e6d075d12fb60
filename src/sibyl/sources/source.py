"""Source: a pile of data of one kind, opened: what is in it, what is left out, and how its bytes are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sibyl.sources.fitted import Fitted
from sibyl.sources.folder_items import names_of
from sibyl.sources.item import Item, Skipped

MODALITIES = ("image", "text", "audio", "table", "features")


@dataclass(frozen=True, eq=False)
class Source:
    """What `open_source` found.

    Parameters
    ----------
    modality : str
        One of `MODALITIES`. Images, texts and audio clips need an encoder; a table and features are rows already.
    root : Path
        The folder or file.
    items : sequence of Item
        What can be classified, with different names.
    skipped : tuple of Skipped
        What was found but cannot be used, as far as opening tells; reading an item may still fail.
    labels : mapping of str to str
        Item → label, where the source itself holds labels: a label column (items with a blank cell are left out), or the outermost
        sub-folder that an item lies in (none for items beside the folders or below ``unlabelled``). Whether sub-folders are classes
        is for the caller to decide: examples that a person names go before.
    decode : callable
        An item's bytes → what an encoder of this modality prepares: an RGB image, a text, a clip. Raises `Unreadable`.
    decoder : str
        Version of `decode`, part of the feature cache's keys.
    matrix : float32 array [item, dim], optional
        The rows of `items`, for a table and features.
    notes : tuple of str
        What the person should know: columns that were dropped, and why.
    fitted : Fitted, optional
        What a table's rows were scaled and encoded with, so that later ones can be alike.
    lost : mapping of str to str
        Name in `skipped` → the label that stands there: its class must not vanish without a word.
    unread : mapping of str to str
        Item → why nothing of it can be read, where its row is made of what stands for missing values alone: it can be labelled after a
        fashion, and is no example.
    understood : str
        One line for people: what was found, and which parts of it are used.
    order : tuple of str
        Names of all that was found, in the order of the file; empty where names tell the order.
    frame : DataFrame, optional
        A table as it was, each row that has a name under the name of its item.
    text_column : str, optional
        Column of a table that the texts are in, named by a person or found.
    """

    modality: str
    root: Path
    items: Sequence[Item]
    skipped: tuple[Skipped, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    decode: Callable[..., Any] = bytes
    decoder: str = ""
    matrix: npt.NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    fitted: Fitted | None = None
    lost: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    understood: str = ""
    order: tuple[str, ...] = ()
    frame: pd.DataFrame | None = None
    text_column: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the items."""
        return names_of(self.items)
