"""One pile under review as it stands: journal, labels, guesses, the files beside. `actions` change it, `answers` read it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sibyl.errors import DataError, UserError
from sibyl.reviewing.audit import checked
from sibyl.reviewing.beside import Beside
from sibyl.reviewing.farewell import finished_words, last_words
from sibyl.reviewing.frames import Arrays
from sibyl.reviewing.guesses import Guesses
from sibyl.reviewing.journal import FILE, FORMAT, Event, Journal
from sibyl.reviewing.pile import Opening
from sibyl.reviewing.questions import checking_order
from sibyl.reviewing.solver import Solver
from sibyl.reviewing.state import CONFIRMED, TAUGHT, check_name, check_names, replay
from sibyl.reviewing.thumbnails import Thumbnails

MAX_ROWS = 100_000
_KEPT_GUESSES = 40
_WRITE_AFTER = 0.5
_WATCH_EVERY = 2.0


class NotReady(UserError):
    """The pile is still being opened."""


class Session:
    """The state of a review, its journal, and its solver.

    Parameters
    ----------
    opening : Opening
        What to open.
    announce : callable
        Is given every message for the pages.
    classes : sequence of str
        Classes that are known from the start; they wait for their first example.
    told : callable
        Is given what the terminal should say: after Finish, and at the end.
    """

    def __init__(
        self,
        opening: Opening,
        announce: Callable[[dict[str, Any]], None],
        classes: Sequence[str] = (),
        told: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.opening, self.out = opening, Path(opening.out)
        self._announce = announce
        self._tell_terminal = told
        self.finished = -1  # revision of the labels that were last written by Finish
        self._classes = check_names(classes)
        self.journal = Journal(self.out / FILE)
        self.state = replay(self.journal.events)
        self.solver = Solver(opening, self._told)
        self.names: list[str] = []
        self.row_of: dict[str, int] = {}
        self.pile: dict[str, Any] = {}
        self.thumbnails = Thumbnails(())
        self.texts: list[str] | None = None
        self.first: list[int] = []
        self.guesses: Guesses | None = None
        self.trouble = self.journal.note
        self.stage: dict[str, Any] = {"stage": "starting", "done": 0, "total": 0}
        self.past: deque[Guesses] = deque(maxlen=_KEPT_GUESSES)
        self.asked_for: dict[int, tuple[dict[str, str], int]] = {}
        self.solving_since = 0.0
        self.acting = asyncio.Lock()
        self._write_soon: asyncio.TimerHandle | None = None
        self._beside: Beside | None = None
        self.skipped: set[int] = set()
        self._watching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- beginning and end

    async def stop(self) -> None:
        """Write what is derived, and end."""
        if self._watching is not None:
            self._watching.cancel()
        if self._write_soon is not None:
            self._write_soon.cancel()
            self.write_beside()
        await self.solver.stop()
        self.thumbnails.close()
        self.journal.close()
        if self.ready or self.state.marks:
            self._tell_terminal(last_words(self))

    @property
    def ready(self) -> bool:
        """Whether the pile is open."""
        return bool(self.pile)

    def _told(self, message: dict[str, Any], arrays: Arrays) -> None:
        kind = message["of"]
        if kind == "progress":
            self.stage = {key: message[key] for key in ("stage", "done", "total")}
            self._announce({"event": "progress", **self.stage})
        elif kind == "opened":
            task = asyncio.get_running_loop().create_task(self._opened(message, arrays))
            self._tasks.add(task)  # a loop does not hold its tasks
            task.add_done_callback(self._tasks.discard)
        elif kind == "solved":
            self._solved(message, arrays)
        elif kind in ("refused", "died"):
            self.solving_since = 0.0
            self.say(message["words"])

    def say(self, words: str) -> None:
        """Tell the page of trouble; the terminal too, while the page has nothing to show."""
        self.trouble = words
        if not self.ready:
            self._tell_terminal(words)
        self._announce({"event": "trouble", "words": words})

    async def _opened(self, message: dict[str, Any], arrays: Arrays) -> None:
        if self.ready:  # the child was started again
            self._ask_solve()
            return
        names: list[str] = message["names"]
        self.names, self.row_of = names, {name: row for row, name in enumerate(names)}
        self.thumbnails, self.texts = Thumbnails.of(names, message["shown"]), message["shown"].get("texts")
        self.first = arrays["first"].tolist()
        run = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
        self.order = checking_order(len(names), int(run[:8], 16))
        self.opening = Opening(**message["opening"])
        self.solver.opening = replace(self.opening, examples=None)
        try:
            await self._take_up(run, message)
        except UserError as error:
            self.say(str(error))
        self.pile = {key: message[key] for key in ("modality", "root", "skipped", "offered", "offered_by", "encoder", "notes")} | {
            "run": run
        }
        self._announce({"event": "ready"})
        self._ask_solve()
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _take_up(self, run: str, message: dict[str, Any]) -> None:
        last = next((one for one in reversed(self.journal.events) if one["kind"] == "open"), None)
        if last is None or last["run"] != run:
            from importlib.metadata import version

            fields = {"format": FORMAT, "run": run, "version": version("sibyl-learn"), "opening": self.opening.plain()}
            await self.append("open", fields)
            if last is not None:
                lost = [item for item in self.state.marks if item not in self.row_of]
                if lost:
                    self.say(f"{len(lost)} labelled items are no longer in the pile, {lost[0]!r} first; their labels are kept")
        self._beside = Beside(self.out, message["root"], self.row_of)
        missing = [name for name in self._classes if self.state.key_of(name) is None]
        if missing:
            await self.append("class", {"names": missing})
        given = {item: label for item, label in message["given"].items() if item not in self.state.marks}
        if given and last is None:
            await self.take_in("examples", given)
        await self._import_outside()

    # ---- labels in

    async def append(self, kind: str, fields: dict[str, Any], name: str = "") -> Event:
        """Put an event into the journal, and into what holds."""
        event = await asyncio.to_thread(self.journal.append, kind, fields, name)
        if kind == "undo":
            self.state = replay(self.journal.events)
        elif kind != "open":
            self.state.apply(event)
        return event

    async def take_in(self, source: str, labels: dict[str, str]) -> None:
        """Take labels in that come from elsewhere."""
        items, titles = list(labels), [check_name(label) for label in labels.values()]
        await self.append("import", {"from": source, "items": items, "labels": titles})

    def changed(self) -> None:
        """Tell the page that labels changed, solve anew, and write the files beside soon."""
        self._announce({"event": "acted", "seq": self.journal.revision, **self.counts()})
        self._ask_solve()
        if self._write_soon is None:
            self._write_soon = asyncio.get_running_loop().call_later(_WRITE_AFTER, self.write_beside)

    def write_beside(self) -> None:
        """Write the files beside."""
        self._write_soon = None
        if self._beside is None:
            return
        teaching = self.guesses.teaching if self.guesses is not None else frozenset()
        taught, confirmed = self.state.marked(TAUGHT), self.state.marked(CONFIRMED)
        try:
            self._beside.write({**taught, **{item: label for item, label in confirmed.items() if item in teaching}}, confirmed)
        except UserError as error:
            self.say(str(error))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            async with self.acting:
                await self._import_outside()

    async def _import_outside(self) -> None:
        assert self._beside is not None
        try:
            labels = await asyncio.to_thread(self._beside.changed, self.state.by_person)
            if labels:
                await self.take_in("corrections.csv", labels)
        except UserError as error:
            self.say(f"{error}; until then corrections go to corrections.review.csv")
            return
        if labels:
            self._announce({"event": "outside", "items": len(labels)})
            self.changed()

    # ---- guesses

    def _ask_solve(self) -> None:
        taught, confirmed = self.state.labels(TAUGHT), self.state.labels(CONFIRMED)
        if len(set(self.state.by_person.values())) < 2 or not self.ready:
            self.guesses = None if self.ready else self.guesses
            return
        revision, keys = self.journal.revision, {title: key for key, title in self.state.titles.items()}
        self.asked_for = {at: known for at, known in self.asked_for.items() if at > revision - 500} | {
            revision: (keys, len(taught) + len(confirmed))
        }
        try:
            self.solver.solve({"revision": revision, "taught": taught, "confirmed": confirmed, "aside": self.state.aside})
        except UserError:  # it solves once it is there again
            return
        if not self.solving_since:
            self.solving_since = time.monotonic()
        self._announce({"event": "solving", "of": len(taught) + len(confirmed)})

    def _solved(self, message: dict[str, Any], arrays: Arrays) -> None:
        keys, n_human = self.asked_for.get(message["revision"], ({}, 0))
        if not self.state.by_person:
            return
        if self.guesses is not None:
            self.past.append(self.guesses)
        self.guesses = Guesses.of(message, arrays, tuple(keys.get(title, title) for title in message["classes"]), n_human)
        if message["revision"] == self.journal.revision:
            self.solving_since = 0.0
        self.trouble = ""
        moved, n_moved = self.guesses.moved(self.past[-1] if self.past else None, self.state, self.is_left())
        if self._write_soon is None and self.guesses.teaching:
            self._write_soon = asyncio.get_running_loop().call_later(_WRITE_AFTER, self.write_beside)
        self._announce(
            {
                "event": "solved", "revision": message["revision"], "seconds": message["seconds"], "moved": n_moved, "share": moved,
                "fell_back": message["fell_back"], "solving": bool(self.solving_since), **self.counts(),
            }
        )  # fmt: skip

    def is_left(self) -> npt.NDArray[np.bool_]:
        """Say of each row whether it has no mark."""
        left = np.ones(len(self.names), bool)
        left[list(self.marked_rows)] = False
        return left

    @property
    def marked_rows(self) -> set[int]:
        """Rows that have a mark."""
        return {self.row_of[item] for item in self.state.marks if item in self.row_of}

    def wrote(self, revision: int) -> None:
        """Note that Finish has written the labels of a revision."""
        self.finished = revision
        self._tell_terminal(finished_words(self))

    # ---- what actions and answers share

    def need_ready(self) -> None:
        """Refuse while the pile is being opened."""
        if not self.ready:
            raise NotReady("the pile is still being opened; a moment")

    def rows(self, rows: Any) -> list[int]:
        """Check the rows of a request; each once."""
        if not isinstance(rows, list) or not all(isinstance(row, int) and 0 <= row < len(self.names) for row in rows):
            raise DataError(f"expected rows, numbers from 0 to {len(self.names) - 1}")
        if len(rows) > MAX_ROWS:
            raise DataError(f"an action may have {MAX_ROWS:,} items; this one has {len(rows):,}")
        return list(dict.fromkeys(rows))

    def counts(self) -> dict[str, Any]:
        """Return how many items are what."""
        return {"counts": self.state.counts(self.row_of), "checked": checked(self.state).plain(), "revision": self.journal.revision}
