"""Nothing acknowledged is lost: not by a kill at any moment, a torn line, or a full disk."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sibyl.errors import DataError
from sibyl.reviewing.journal import Journal

WRITER = """
import sys
from pathlib import Path
from sibyl.reviewing.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(200):
    event = journal.append("teach", {"items": [f"item {number}"], "label": "x" * 200}, f"{sys.argv[2]}-{number}")
    print(event["id"], flush=True)
"""
FULL = """
import resource, signal, sys
from pathlib import Path
from sibyl.errors import DataError
from sibyl.reviewing.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
journal = Journal(Path(sys.argv[1]))
saved = 0
try:
    while True:
        journal.append("teach", {"items": [f"item {saved}"], "label": "y" * 150})
        saved += 1
except DataError as error:
    print(saved, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append("teach", {"items": ["after"], "label": "z"})
"""


def test_events_come_back(tmp_path: Path) -> None:
    with Journal(tmp_path / "review.jsonl") as journal:
        journal.append("teach", {"items": ["a \u202e'\n"], "label": "ä"}, "one")
        journal.append("undo", {"of": 1})
    with Journal(tmp_path / "review.jsonl") as again:
        assert [event["kind"] for event in again.events] == ["teach", "undo"]
        assert again.events[0]["items"] == ["a \u202e'\n"]
        assert again.seq_of == {"one": 1}
        assert again.append("clear", {"items": ["a"]})["seq"] == 3


def test_a_torn_last_line_is_cut_off_and_told(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    with Journal(path) as journal:
        journal.append("teach", {"items": ["a"], "label": "x"})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq":2,"kind":"teach","it')
    with Journal(path) as again:
        assert len(again.events) == 1
        assert "cut short" in again.note
        assert path.read_bytes() == whole
        again.append("teach", {"items": ["b"], "label": "x"})
    with Journal(path) as last:
        assert len(last.events) == 2


@pytest.mark.parametrize("line", [b"not json\n", b'{"seq":1}\n', b"[]\n", b'{"seq":1,"kind":"open","format":99}\n'])
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "review.jsonl"
    path.write_bytes(line)
    with pytest.raises(DataError, match=r"review\.jsonl"):
        Journal(path)
    assert path.read_bytes() == line


def test_twenty_kills_lose_nothing_acknowledged(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "review.jsonl", set()
    draw = random.Random(0)
    for turn in range(20):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(turn)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(draw.randrange(1, 12)):
            acknowledged.add(process.stdout.readline().strip())
        time.sleep(draw.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout.read().splitlines() if line.strip()}
        process.wait()
        process.stdout.close()
        with Journal(path) as journal:
            assert acknowledged <= set(journal.seq_of)
            assert [event["seq"] for event in journal.events] == list(range(1, len(journal.events) + 1))
    assert len(acknowledged) > 60


@pytest.mark.skipif(sys.platform != "linux", reason="limits on the size of files")
def test_a_full_disk_refuses_the_action_and_keeps_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "review.jsonl"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    saved, words = done.stdout.split(" ", 1)
    assert "not saved" in words
    with Journal(path) as journal:
        assert journal.note == ""
        assert len(journal.events) == int(saved) + 1
        assert journal.events[-1]["items"] == ["after"]


class FullDisk:
    """A file whose disk is full after so many bytes; what was begun stays, and cannot even be cut off, until there is room again."""

    def __init__(self, file: Any, room: int, *, can_cut: bool) -> None:
        self._file, self.room, self._can_cut = file, room, can_cut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, line: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written: int = self._file.write(line[: self.room])
        self.room -= written
        return written

    def truncate(self, size: int) -> int:
        if self.room == 0 and not self._can_cut:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return int(self._file.truncate(size))


@pytest.mark.parametrize("can_cut", [True, False])
def test_no_line_is_written_behind_half_a_line(tmp_path: Path, can_cut: bool) -> None:
    path = tmp_path / "review.jsonl"
    with Journal(path) as journal:
        journal.append("teach", {"items": ["a"], "label": "x"}, "a")
        disk = FullDisk(journal._file, 30, can_cut=can_cut)
        journal._file = disk  # type: ignore[assignment]
        for _ in range(3):
            with pytest.raises(DataError, match=r"No space left.*not saved|Input/output.*not saved"):
                journal.append("teach", {"items": ["b"], "label": "x"}, "b")
        assert set(journal.seq_of) == {"a"}
        disk.room = 1 << 20
        assert journal.append("teach", {"items": ["c"], "label": "x"}, "c")["seq"] == 2
    with Journal(path) as again:
        assert again.note == ""
        assert [event["items"] for event in again.events] == [["a"], ["c"]]


def test_what_the_disk_did_not_confirm_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "review.jsonl"

    def refuses(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(path) as journal:
        journal.append("teach", {"items": ["a"], "label": "x"})
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", refuses)
            with pytest.raises(DataError, match="No space left"):
                journal.append("teach", {"items": ["b"], "label": "x"})
        journal.append("teach", {"items": ["c"], "label": "x"})
    with Journal(path) as again:
        assert [event["items"] for event in again.events] == [["a"], ["c"]]
