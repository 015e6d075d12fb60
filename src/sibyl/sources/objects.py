"""Piles that are in memory already: frames, arrays, lists of images, and data sets of Hugging Face."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from sibyl.errors import DataError
from sibyl.sources.feature_files import array_source
from sibyl.sources.images import READER, as_rgb, decode_image
from sibyl.sources.item import Item
from sibyl.sources.parquet_files import frame_of_arrow, series_of_arrow
from sibyl.sources.source import Source
from sibyl.sources.table_files import RawTable, cell_text, check_names

_EXPECTED = "expected a path, a DataFrame, an array of numbers with a row per item, a Hugging Face Dataset, or a list of PIL images, texts or paths"


def place_of(pile: Any) -> Path:
    """Return the path of a pile; of one in memory, what messages call it."""
    if isinstance(pile, Source):
        return pile.root
    if isinstance(pile, str | Path):
        return Path(pile)
    return Path("the list" if isinstance(pile, list | tuple) else f"the {type(pile).__name__}")


def held_in(pile: Any) -> RawTable | Source:
    """Return what is in memory as a table, or where it is no table, as a source.

    Rows are called by the frame's index, or by their position from 0. Images are taken as they are now; the file they came from is
    not looked at.

    Parameters
    ----------
    pile : object
        A DataFrame (of pandas, polars or Arrow), a numeric array [item, dim], a ``datasets.Dataset``, or a list of images of Pillow, of
        texts, of paths, or of rows of numbers.

    Raises
    ------
    DataError
        If it is something else, empty, or an array of another shape.
    """
    place = place_of(pile)
    if isinstance(pile, pd.DataFrame):
        return _of_pandas(pile, place)
    if type(pile).__module__.partition(".")[0] == "datasets":
        return _of_dataset(pile, place)
    if isinstance(pile, list | tuple):
        return _of_list(pile, place)
    if hasattr(pile, "__arrow_c_stream__") and hasattr(pile, "columns"):
        import pyarrow as pa

        return _of_arrow(pa.table(pile), place)
    if hasattr(pile, "toarray"):
        raise DataError(f"{place}: is sparse; give a dense array, X.toarray()")
    if hasattr(pile, "__array__") and not isinstance(pile, pd.Series | Image.Image):
        return _of_array(pile, place)
    raise DataError(f"{_EXPECTED}; got {_kind(pile)}")


def _kind(pile: Any) -> str:
    return f"an object of type {type(pile).__name__}"


def _of_pandas(frame: pd.DataFrame, place: Path) -> RawTable:
    if frame.columns.nlevels > 1:
        raise DataError(f"{place}: its columns have {frame.columns.nlevels} levels of names; give each column one name")
    if not len(frame):
        raise DataError(f"{place}: has no rows; expected one row per item")
    names = list(map(str, frame.columns))
    check_names(place, names)
    columns = {name: _plain(place, name, frame.iloc[:, number]) for number, name in enumerate(names)}
    numbered = pd.RangeIndex(1, len(frame) + 1)
    index = [cell_text(one) for one in frame.index]
    notes: tuple[str, ...] = ()
    if len(set(index)) != len(index) or not all(index):
        index = [str(row) for row in range(len(frame))]
        notes = ("the index of the DataFrame repeats or has blanks: rows are called by their position, from 0",)
    return RawTable(place, pd.DataFrame(columns, copy=False).set_axis(numbered), notes=notes, index=index)


def _plain(place: Path, name: str, cells: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column in one of the types that columns of files have."""
    cells = cells.reset_index(drop=True)
    kind: Any = cells.dtype
    types = pd.api.types
    if types.is_complex_dtype(kind):
        raise DataError(f"{place}: column {name!r} holds complex numbers; split them into real and imaginary parts")
    if isinstance(kind, pd.ArrowDtype):
        import pyarrow as pa

        values = cells.array.__arrow_array__()
        return series_of_arrow(values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values]))
    if isinstance(kind, pd.SparseDtype):
        cells = pd.Series(np.asarray(cells))
        kind = cells.dtype
    if types.is_float_dtype(kind):
        return pd.Series(cells.to_numpy(np.float64 if kind != np.float32 else np.float32, na_value=np.nan))
    if types.is_numeric_dtype(kind) or types.is_datetime64_any_dtype(kind) or types.is_timedelta64_dtype(kind):
        return cells if not types.is_bool_dtype(kind) or isinstance(kind, np.dtype) else cells.astype(object)
    return cells.astype(object)


def _of_arrow(table: Any, place: Path, classes: dict[str, list[str]] | None = None) -> RawTable:
    if not table.num_rows:
        raise DataError(f"{place}: has no rows; expected one row per item")
    check_names(place, table.column_names)
    frame = frame_of_arrow(table, classes)
    return RawTable(place, frame, index=[str(row) for row in range(len(frame))])


def _of_dataset(pile: Any, place: Path) -> RawTable:
    if isinstance(pile, dict):
        held = ", ".join(map(repr, list(pile)[:4]))
        raise DataError(f"{place}: has the splits {held}; give one of them, such as dataset[{next(iter(pile), 'train')!r}]")
    if not hasattr(pile, "with_format") or not hasattr(pile, "__len__"):
        raise DataError(f"{place}: is read as a stream; give a Dataset whose rows are all there")
    # As Arrow, so that no picture is decoded and what is mapped into memory stays on the disk.
    table = pile.with_format("arrow")[:]
    classes = {name: list(one.names) for name, one in pile.features.items() if type(one).__name__ == "ClassLabel"}
    return _of_arrow(table, place, classes)


def _of_array(pile: Any, place: Path) -> Source:
    if hasattr(pile, "detach"):  # of torch
        pile = pile.detach().cpu()
        pile = pile.float() if pile.is_floating_point() else pile
    array = np.ma.filled(pile.astype(np.float32), np.nan) if isinstance(pile, np.ma.MaskedArray) else np.asarray(pile)
    shape = f"an array of shape {array.shape}"
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{place}: expected numbers, one row per item, got values of type {array.dtype}; put columns of texts into a DataFrame"
        )
    if array.ndim == 1:
        raise DataError(
            f"{place}: expected rows of numbers, shape (items, numbers), got {shape}; for one number an item, X.reshape(-1, 1)"
        )
    if array.ndim != 2:
        raise DataError(
            f"{place}: expected rows of numbers, shape (items, numbers), got {shape}; for features, X.reshape(len(X), -1); for pictures, "
            "[Image.fromarray(x) for x in X]"
        )
    if not array.size:
        raise DataError(f"{place}: expected rows of numbers, got {shape}, which is empty")
    return array_source(array.astype(np.float32) if array.dtype.kind == "b" else array, place)


def _of_list(pile: Sequence[Any], place: Path) -> RawTable | Source:
    if not pile:
        raise DataError(f"{place}: is empty; {_EXPECTED}")
    for kind, one_by_one in ((Image.Image, _of_images), (str, _of_texts), (Path, _of_paths)):
        if isinstance(pile[0], kind):
            odd = next((row for row, one in enumerate(pile) if not isinstance(one, kind)), None)
            if odd is not None:
                raise DataError(
                    f"{place}: expected items of one kind, but the first is of type {type(pile[0]).__name__} and item {odd} of type "
                    f"{type(pile[odd]).__name__}"
                )
            return one_by_one(pile, place)
    try:
        array = np.asarray(pile)
    except ValueError:
        raise DataError(f"{place}: expected rows of numbers of one length; they differ") from None
    if array.dtype.kind not in "fiub":
        raise DataError(f"{_EXPECTED}; got a list whose first item is {_kind(pile[0])}")
    return _of_array(array, place)


def _of_texts(pile: Sequence[str], place: Path) -> RawTable:
    return _one_column("text", list(pile), place)


def _of_paths(pile: Sequence[Path], place: Path) -> RawTable:
    return _one_column("path", [one.as_posix() for one in pile], place)


def _one_column(name: str, cells: list[str], place: Path) -> RawTable:
    frame = pd.DataFrame({name: pd.Series(cells, range(1, len(cells) + 1), dtype=object)})
    return RawTable(place, frame, index=[str(row) for row in range(len(cells))])


@dataclass(frozen=True, eq=False)
class _Picture:
    """A picture as the bytes of a file, made when they are asked for."""

    image: Image.Image

    def __call__(self) -> bytes:
        file = io.BytesIO()
        as_rgb(self.image).save(file, "PNG", compress_level=1)
        return file.getvalue()


def _of_images(pile: Sequence[Image.Image], place: Path) -> Source:
    items = tuple(Item(str(row), place, _Picture(image)) for row, image in enumerate(pile))
    order = tuple(item.name for item in items)
    understood = f"images in a list, {len(items):,} of them; called by their position, from 0"
    return Source("image", place, items, decode=decode_image, decoder=READER, understood=understood, order=order)
