"""Labels as parquet shards, each written by the worker that holds its rows; the output is whole or absent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from sibyl.errors import DataError
from sibyl.folders import atomic_folder, check_replaceable
from sibyl.labeling.report import Counts
from sibyl.memmap import take_rows
from sibyl.sharding.held import Held
from sibyl.sharding.passes import Answers
from sibyl.sources.shards import is_uri
from sibyl.sources.stores import Place, place_of, sentence_of

KIND = "labels in shards"
SUMMARY = "summary.json"
_ROWS = 1 << 16  # of a batch that is written at once
_NAMED = 3  # rows that cannot be used which are named for each reason
SCHEMA = pa.schema(
    [
        ("item", pa.string()), ("label", pa.string()), ("confidence", pa.float64()), ("margin", pa.float64()),
        ("runner_up", pa.string()), ("inductive_label", pa.string()), ("changed", pa.bool_()), ("outlier_score", pa.float64()),
        ("status", pa.string()), ("source", pa.string()),
    ]
)  # fmt: skip
"""The columns of labels.csv."""


@dataclass(frozen=True, eq=False)
class Written:
    """What the worker tells of a shard that it wrote: counts, and some rows with their features."""

    counts: Counts
    sample: pa.Table
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Write:
    """Answer the rows of a shard and write them, in the order of the source.

    Parameters
    ----------
    answer : callable
        ``answer(held, number)`` → `Answers`.
    class_names : tuple of str
        Classes.
    examples : mapping of int to mapping of int to str
        Shard → place → label.
    method : str
        Who gave the labels.
    out : Place
        The output folder.
    shown : mapping of int to int64 array
        Shard → places of the rows that the report is made of.
    """

    answer: Callable[[Held, int], Answers]
    class_names: tuple[str, ...]
    examples: Mapping[int, Mapping[int, str]]
    method: str
    out: Place
    shown: Mapping[int, npt.NDArray[np.int64]]

    def __call__(self, held: Held, number: int) -> Written:
        """Write one shard."""
        answers, start = self.answer(held, number), 0
        shard, counts, sample, vectors = held.shards.shards[number], [], [], []
        shown, bad = self.shown.get(number, np.zeros(0, np.int64)), held.raw(number).bad
        path = self.out.below(shard.name)
        try:
            if not self.out.is_remote:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            with self.out.filesystem.open_output_stream(path) as sink, pq.ParquetWriter(sink, SCHEMA) as writer:
                for names in held.shards.names(number, _ROWS):
                    here = slice(start, start + len(names))
                    table = self._table(names, answers.taken(here), self.examples.get(number, {}), bad, start)
                    counts.append(_counts(table, answers.taken(here)))
                    writer.write_table(table)
                    rows = shown[(shown >= start) & (shown < here.stop)]
                    sample.append(table.take(pa.array(rows - start)))
                    vectors.append(take_rows(held.raw(number).matrix, rows))
                    start = here.stop
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                sentence_of(f"{self.out.uri}/{shard.name}", error).replace("cannot be read", "cannot be written")
            ) from None
        return Written(added(counts), pa.concat_tables(sample), np.concatenate(vectors))

    def _table(
        self, names: Sequence[str], answers: Answers, examples: Mapping[int, str], bad: Mapping[int, str], start: int
    ) -> pa.Table:
        n_rows, words = len(names), np.array([*self.class_names, None], object)
        label, runner_up, alone = (words[one] for one in (answers.classes[:, 0], answers.classes[:, 1], answers.alone))
        confidence, outlier = answers.best[:, 0].astype(float), answers.outlier.astype(float)
        margin = confidence - answers.best[:, 1]
        changed = (answers.alone != answers.classes[:, 0]).astype(object)
        status, source = np.full(n_rows, "labelled", object), np.full(n_rows, self.method, object)
        for rows, word in ((examples, "example"), (bad, "skipped: ")):
            for place, text in rows.items():
                row = place - start
                if not 0 <= row < n_rows:
                    continue
                is_example = word == "example"
                runner_up[row] = alone[row] = None
                margin[row] = outlier[row] = np.nan
                label[row], confidence[row] = (text, 1.0) if is_example else (None, np.nan)
                changed[row], source[row] = (False, "example") if is_example else (None, None)
                status[row] = word if is_example else word + text
        columns = (names, label, confidence, margin, runner_up, alone, changed, outlier, status, source)
        return pa.table(
            [pa.array(one, field.type, from_pandas=True) for one, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
        )


def _counts(table: pa.Table, answers: Answers) -> Counts:
    status = np.array(table["status"].to_pylist(), object)
    labelled, items = status == "labelled", table["item"]
    classes = Counter(label for label, is_there in zip(table["label"].to_pylist(), labelled, strict=True) if is_there)
    lost = [
        (items[int(row)].as_py(), status[row].removeprefix("skipped: "))
        for row in np.flatnonzero([one.startswith("skipped") for one in status])
    ]
    named: dict[str, list[str]] = {}
    for name, reason in lost:
        named.setdefault(reason, []).append(name)
    changed = int((labelled & (answers.alone != answers.classes[:, 0])).sum())
    return Counts(
        len(status), int(labelled.sum()), int((status == "example").sum()), len(lost), 0, changed, dict(classes),
        dict(Counter(reason for _, reason in lost)), {reason: names[:_NAMED] for reason, names in named.items()},
    )  # fmt: skip


def added(counts: Sequence[Counts]) -> Counts:
    """Add up what shards hold."""
    classes: Counter[str] = sum((Counter(one.classes) for one in counts), Counter())
    reasons: Counter[str] = sum((Counter(one.reasons) for one in counts), Counter())
    named: dict[str, list[str]] = {}
    for one in counts:
        for reason, names in one.skipped_names.items():
            named[reason] = [*named.get(reason, []), *names][:_NAMED]
    total = {name: sum(getattr(one, name) for one in counts) for name in ("found", "labelled", "examples", "skipped", "changed")}
    return Counts(
        **total, corrections=0, classes=dict(classes.most_common()), reasons=dict(reasons.most_common()), skipped_names=named
    )


def check_out(out: str | Path) -> None:
    """Refuse an output folder that holds anything but an earlier output, before the work.

    Raises
    ------
    DataError
        If it does, or cannot be reached.
    """
    if not is_uri(out):
        check_replaceable(Path(out), KIND)
        return
    place = place_of(out)
    try:
        there = place.filesystem.get_file_info(fs.FileSelector(place.path, recursive=True, allow_not_found=True))
    except (OSError, pa.ArrowException) as error:
        raise DataError(sentence_of(place.uri, error)) from None
    if any(one.type == fs.FileType.File for one in there):
        raise DataError(f"{place.uri}: is not empty; choose another output folder, nothing in a store is replaced")


@contextmanager
def output(out: str | Path) -> Iterator[Place]:
    """Yield the folder to write to; after an error nothing is there.

    On a disk the folder appears when the block ends. In a store, where nothing can be renamed, shards are written in their places, each
    whole or absent, and `SUMMARY` comes last: a folder without it is not whole. After an error all of it is taken away.
    """
    if not is_uri(out):
        with atomic_folder(Path(out), KIND, checksums=False) as partial:
            yield Place(str(out), fs.LocalFileSystem(), str(partial.absolute()), False)
        return
    place = place_of(out)
    try:
        yield place
    except BaseException:
        with suppress(OSError, pa.ArrowException):
            place.filesystem.delete_dir_contents(place.path, missing_dir_ok=True)
        raise


def write_json(place: Place, name: str, content: Mapping[str, Any]) -> None:
    """Write a file of JSON."""
    write_bytes(place, name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def write_bytes(place: Place, name: str, content: bytes) -> None:
    """Write a file."""
    try:
        with place.filesystem.open_output_stream(place.below(name)) as sink:
            sink.write(content)
    except (OSError, pa.ArrowException) as error:
        raise DataError(sentence_of(f"{place.uri}/{name}", error).replace("cannot be read", "cannot be written")) from None
