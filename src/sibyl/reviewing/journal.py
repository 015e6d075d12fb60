"""review.jsonl: everything a person did, one JSON object a line, on disk before it is acknowledged. It is the truth; all else follows."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sibyl.errors import DataError

FILE = "review.jsonl"
FORMAT = 1
Event = dict[str, Any]


class Journal:
    """An append-only file of events.

    Parameters
    ----------
    path : Path
        The file; made where there is none. A last line that a kill tore is cut off: it was never acknowledged.

    Raises
    ------
    DataError
        If the file cannot be read or written, or is no such journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[Event] = []
        self.seq_of: dict[str, int] = {}
        self.note = ""
        self._is_torn = False
        self._file: io.RawIOBase | io.BytesIO
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not path.exists()
            self._file = path.open("r+b" if not is_new else "w+b", buffering=0)
            try:
                self._size = self._read()
                if is_new:
                    _flush_folder(path.parent)
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise DataError(f"{path}: cannot be opened ({error.strerror}); labels need a folder that can be written to") from None

    @classmethod
    def read_only(cls, path: Path) -> Journal:
        """Read a journal that another process may be writing: what is whole counts."""
        journal = cls.__new__(cls)
        journal.path, journal.events, journal.seq_of, journal.note, journal._size = path, [], {}, "", 0
        journal._file = io.BytesIO(path.read_bytes() if path.exists() else b"")
        journal._read()
        return journal

    def _read(self) -> int:
        """Take up the events; return the size of the file without a torn last line."""
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
            self.note = "the last line of the journal was cut short by a crash and is left out; it had not been confirmed as saved"
        for number, line in enumerate(content[:whole].splitlines(), 1):
            try:
                event = json.loads(line)
                seq, kind = int(event["seq"]), str(event["kind"])
            except (ValueError, KeyError, TypeError):
                raise DataError(f"{self.path}: line {number} is no event of a review; restore the file, or move it away") from None
            if kind == "open" and event.get("format") != FORMAT:
                raise DataError(f"{self.path}: written by another version of sibyl (format {event.get('format')})")
            if seq <= self.revision:
                raise DataError(f"{self.path}: line {number} is out of order; restore the file, or move it away")
            self._take(event)
        self._file.seek(whole)
        return whole

    @property
    def revision(self) -> int:
        """Number of the last event; 0 before any."""
        return int(self.events[-1]["seq"]) if self.events else 0

    def append(self, kind: str, fields: Mapping[str, Any], name: str = "") -> Event:
        """Write an event, `name` by whoever asks for it; when this returns it is on the disk.

        Raises
        ------
        DataError
            If it cannot be written; the file is then as it was.
        """
        event = {
            "seq": self.revision + 1,
            "id": name,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": kind,
            **fields,
        }
        line = (json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        try:
            if self._is_torn:
                self._cut_back()
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            self._is_torn = True
            with suppress(OSError):  # the next line tries again before it is written, the next opening too
                self._cut_back()
            raise DataError(
                f"{self.path}: cannot be written ({error.strerror}); the label is not saved: free space, then again"
            ) from None
        self._size += len(line)
        self._take(event)
        return event

    def _cut_back(self) -> None:
        """Leave what was saved; nothing may be written behind half a line."""
        self._file.truncate(self._size)
        self._file.seek(self._size)
        self._is_torn = False

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if event.get("id"):
            self.seq_of[event["id"]] = event["seq"]

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
