"""corrections.csv and confirmed.csv: what the journal says, for `sibyl label`, other tools and people; edits from outside come back."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from pathlib import Path

from sibyl.errors import DataError
from sibyl.labeling.examples import collect, read_pairs

TAUGHT_FILE, CONFIRMED_FILE = "corrections.csv", "confirmed.csv"
REVIEW_FILE = "corrections.review.csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Stamp = tuple[int, int, int] | None


class Beside:
    """The two files in an output folder.

    Parameters
    ----------
    out : Path
        The folder.
    root : str
        What items are named below.
    names : collection of str
        The items.
    """

    def __init__(self, out: Path, root: str, names: Collection[str]) -> None:
        self._out, self._root, self._names = out, root, names
        self._written: dict[str, str] = {}
        self._stamp: Stamp = None
        self._broken = False

    def changed(self, known: Mapping[str, str]) -> dict[str, str]:
        """Return the labels in corrections.csv that someone else changed or added; nothing if nobody did.

        Raises
        ------
        DataError
            If the file cannot be read. It stays as it is, and `write` leaves it alone until it is mended.
        """
        path = self._out / TAUGHT_FILE
        stamp = _stamp(path)
        if stamp is None or stamp == self._stamp:
            self._broken = self._broken and stamp is not None
            return {}
        self._stamp = stamp
        try:
            labels = collect(read_pairs(path, blank_labels=True), str(path), self._root, self._names).labels
        except DataError:
            self._broken = True
            raise
        self._broken = False
        before = {**known, **self._written}
        return {item: label for item, label in labels.items() if item in self._names and before.get(item) != label}

    def write(self, taught: Mapping[str, str], confirmed: Mapping[str, str]) -> None:
        """Write both files whole.

        Raises
        ------
        DataError
            If they cannot be written.
        """
        path = self._out / (REVIEW_FILE if self._broken else TAUGHT_FILE)
        if taught or path.exists():
            _write(path, taught)
        if confirmed or (self._out / CONFIRMED_FILE).exists():
            _write(self._out / CONFIRMED_FILE, confirmed)
        if not self._broken:
            self._written, self._stamp = dict(taught), _stamp(path)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _write(path: Path, labels: Mapping[str, str]) -> None:
    from sibyl.storage import atomic_path, write_errors

    with write_errors(path), atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item", "label"])
        writer.writerows((f"./{item}" if item.startswith(_FORMULA) else item, label) for item, label in labels.items())
