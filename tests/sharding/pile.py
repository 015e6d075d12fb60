"""A pile in shards, the same rows in one process, and what must be alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.dataset as ds

from sibyl.labeling.label import label
from sibyl.labeling.table import COLUMNS
from tests.sources.shards import write_shards

WAY, DIM, ROWS = 4, 12, 3000
SIZES = [1100, 500, 1400]


def truth_of(n_rows: int = ROWS, draw: np.random.Generator | None = None) -> npt.NDArray[np.int64]:
    return (draw or np.random.default_rng(5)).choice(WAY, n_rows, p=[0.5, 0.25, 0.15, 0.1])


def rows_of(n_rows: int = ROWS) -> tuple[npt.NDArray[np.float32], list[str], dict[str, str]]:
    draw = np.random.default_rng(5)
    y = truth_of(n_rows, draw)
    centre = 1.3 * draw.normal(size=(WAY, DIM))
    matrix = (centre[y] + draw.normal(size=(n_rows, DIM))).astype(np.float32)
    names = [f"row {number:05}" for number in range(n_rows)]
    examples = {names[row]: f"class {one}" for one in range(WAY) for row in np.flatnonzero(y == one)[[0, -1]]}
    return matrix, names, examples


def labels_in(out: Path) -> pd.DataFrame:
    table: pd.DataFrame = ds.dataset(sorted(map(str, out.glob("*.parquet")))).to_table().to_pandas()
    return table


def in_one_process(tmp_path: Path, class_prior: Any = None, n_rows: int = ROWS) -> pd.DataFrame:
    matrix, names, examples = rows_of(n_rows)
    (tmp_path / "one").mkdir(parents=True)
    write_shards(tmp_path / "one", matrix, [n_rows], names)
    return label(tmp_path / "one" / "part-000.parquet", examples, class_prior=class_prior)


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert list(one.columns) == list(COLUMNS)
    for name in COLUMNS:
        if one[name].dtype == float:
            # Products of other sizes are rounded otherwise, and how depends on the processor.
            atol = 2e-5
            np.testing.assert_allclose(one[name], other[name].astype(float), rtol=0, atol=atol, err_msg=name)
        else:
            assert [None if value is None or value != value else value for value in one[name]] == [
                None if value is None or value != value else value for value in other[name]
            ], name
