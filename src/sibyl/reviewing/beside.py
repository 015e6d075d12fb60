"""corrections.csv and confirmed.csv: what the journal says, for `sibyl label`, other tools and people; edits from outside come back."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from pathlib import Path

from sibyl.errors import DataError
from sibyl.labeling.file_names import CORRECTIONS, correction_files
from sibyl.reviewing.state import Mark

TAUGHT_FILE, CONFIRMED_FILE = CORRECTIONS, "confirmed.csv"
REVIEW_FILE = "corrections.review.csv"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Stamp = tuple[tuple[str, int, int, int], ...]


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
        self._stamp: Stamp = ()
        self._broken = False

    def changed(self, known: Mapping[str, str]) -> dict[str, str]:
        """Return the labels in files of corrections that someone else changed or added; nothing if nobody did.

        A row or a file that is gone takes no label back: labels are taken back in the page.

        Parameters
        ----------
        known : mapping of str to str
            Item → class, as the journal has it.

        Raises
        ------
        DataError
            If a file cannot be read. It stays as it is, and `write` leaves it alone until it is mended.
        """
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return {}
        from sibyl.labeling.corrections import read_corrections  # it brings pandas along, which most sessions never need

        self._stamp = stamp
        try:
            labels = read_corrections(self._out, self._root, self._names).labels
        except DataError:
            self._broken = True
            raise
        self._broken = False
        return {item: label for item, label in labels.items() if known.get(item) != label}

    def write(self, taught: Mapping[str, tuple[str, Mark]], confirmed: Mapping[str, tuple[str, Mark]]) -> None:
        """Write both files whole, item → its class and the mark that says when.

        Raises
        ------
        DataError
            If they cannot be written.
        """
        if self._stamp_now() != self._stamp and not self._broken:
            return  # someone else wrote: that is read first
        path = self._out / (REVIEW_FILE if self._broken else TAUGHT_FILE)
        if taught or path.exists():
            _write(path, taught)
        if confirmed or (self._out / CONFIRMED_FILE).exists():
            _write(self._out / CONFIRMED_FILE, confirmed)
        if not self._broken:
            (self._out / REVIEW_FILE).unlink(missing_ok=True)
        self._stamp = self._stamp_now()

    def _stamp_now(self) -> Stamp:
        found = []
        for path in correction_files(self._out):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((path.name, status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)


def _write(path: Path, labels: Mapping[str, tuple[str, Mark]]) -> None:
    from sibyl.storage import atomic_path, write_errors

    with write_errors(path), atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item", "label", "when"])
        for item, (label, mark) in labels.items():
            writer.writerow([f"./{item}" if item.startswith(_FORMULA) else item, label, mark.at])
