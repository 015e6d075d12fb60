"""One pile under review: what the routes ask, and what they may change."""

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
from sibyl.reviewing.audit import advice, checked, course, doubts
from sibyl.reviewing.beside import Beside
from sibyl.reviewing.columns import columns
from sibyl.reviewing.frames import Arrays
from sibyl.reviewing.guesses import NOTHING, Guesses, translated
from sibyl.reviewing.journal import FILE, FORMAT, Event, Journal
from sibyl.reviewing.pile import Opening
from sibyl.reviewing.questions import checking_order, queue
from sibyl.reviewing.solver import Solver
from sibyl.reviewing.state import ASIDE, CONFIRMED, TAUGHT, check_name, check_names, last_to_redo, last_to_undo, replay, undone
from sibyl.reviewing.thumbnails import Thumbnails
from sibyl.sources.item import FolderItems, Item

MAX_ROWS = 100_000
_KEPT_GUESSES = 40
_WRITE_AFTER = 0.5
_WATCH_EVERY = 2.0
_TEN = 10
_GOAL = 0.95


class Conflict(UserError):
    """Some items were labelled otherwise since the page looked."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        super().__init__("these items were labelled elsewhere since")
        self.items = items


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
    """

    def __init__(self, opening: Opening, announce: Callable[[dict[str, Any]], None], classes: Sequence[str] = ()) -> None:
        self.opening, self.out = opening, Path(opening.out)
        self._announce = announce
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
        self._history: deque[Guesses] = deque(maxlen=_KEPT_GUESSES)
        self._asked_for: dict[int, tuple[dict[str, str], int]] = {}
        self._solving_since = 0.0
        self._acting = asyncio.Lock()
        self._write_soon: asyncio.TimerHandle | None = None
        self._beside: Beside | None = None
        self._skipped: set[int] = set()
        self._heaps: tuple[int, list[list[int]]] = (-1, [])
        self._places: bytes | None = None
        self._watching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- beginning and end

    def start(self) -> None:
        """Start the solver."""
        self.solver.start()

    async def stop(self) -> None:
        """Write what is derived, and end."""
        if self._watching is not None:
            self._watching.cancel()
        if self._write_soon is not None:
            self._write_soon.cancel()
            self._write_beside()
        await self.solver.stop()
        self.thumbnails.close()
        self.journal.close()

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
            self._later(self._opened(message, arrays))
        elif kind == "solved":
            self._solved(message, arrays)
        elif kind == "refused":
            self._solving_since = 0.0
            self._say(message["words"])
        elif kind == "died":
            self._solving_since = 0.0
            again = "it stopped twice within a minute; labelling goes on, and it is tried again every few seconds"
            self._say(
                f"the solver stopped (code {message['code']}) and is starting again; labels are safe"
                + message["often"] * f": {again}"
            )

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _say(self, words: str) -> None:
        self.trouble = words
        self._announce({"event": "trouble", "words": words})

    async def _opened(self, message: dict[str, Any], arrays: Arrays) -> None:
        if self.ready:  # the child was started again
            self._ask_solve()
            return
        names: list[str] = message["names"]
        self.names, self.row_of = names, {name: row for row, name in enumerate(names)}
        shown = message["shown"]
        self.texts = shown.get("texts")
        if "below" in shown:
            self.thumbnails = Thumbnails(FolderItems(Path(shown["below"]), tuple(names)))
        elif "places" in shown:
            self.thumbnails = Thumbnails([Item(name, Path(place)) for name, place in zip(names, shown["places"], strict=True)])
        self.first = arrays["first"].tolist()
        run = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
        self._order = checking_order(len(names), int(run[:8], 16))
        self.opening = Opening(**message["opening"])
        self.solver.opening = replace(self.opening, examples=None)
        try:
            await self._take_up(run, message)
        except UserError as error:
            self._say(str(error))
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
            await self._append("open", fields)
            if last is not None:
                lost = [item for item in self.state.marks if item not in self.row_of]
                if lost:
                    self._say(f"{len(lost)} labelled items are no longer in the pile, {lost[0]!r} first; their labels are kept")
        self._beside = Beside(self.out, message["root"], self.row_of)
        missing = [name for name in self._classes if self.state.key_of(name) is None]
        if missing:
            await self._append("class", {"names": missing})
        given = {item: label for item, label in message["given"].items() if item not in self.state.marks}
        if given and last is None:
            await self._import("examples", given)
        await self._import_outside()

    # ---- labels in

    async def _append(self, kind: str, fields: dict[str, Any], name: str = "") -> Event:
        event = await asyncio.to_thread(self.journal.append, kind, fields, name)
        if kind == "undo":
            self.state = replay(self.journal.events)
        elif kind != "open":
            self.state.apply(event)
        return event

    async def _import(self, source: str, labels: dict[str, str]) -> None:
        items, titles = list(labels), [check_name(label) for label in labels.values()]
        await self._append("import", {"from": source, "items": items, "labels": titles})

    async def act(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry one action out: on the disk when this returns.

        Raises
        ------
        UserError
            If it is not allowed, cannot be written, or meets a label that came from elsewhere.
        """
        self._need_ready()
        name = str(request.get("id", ""))[:64]
        async with self._acting:
            if name and name in self.journal.seq_of:  # sent again after a lost answer: done already
                return {"seq": self.journal.seq_of[name], **self.counts()}
            kind, rows = request.get("kind"), self._rows(request.get("rows"))
            if kind == "skip":
                self._skipped |= set(rows)
                return {"seq": self.journal.revision, **self.counts()}
            items = [self.names[row] for row in rows]
            if not items:
                raise DataError("an action needs at least one item")
            fields: dict[str, Any] = {"items": items}
            if kind in ("teach", "confirm"):
                fields |= self._named(request, rows)
                if kind == "confirm" and request.get("spread"):
                    fields |= await self._spread_first(rows, int(request["spread"]))
            elif kind not in ("aside", "clear"):
                raise DataError(f"unknown action {kind!r}; expected teach, confirm, aside, clear or skip")
            self._check_conflicts(fields, int(request.get("saw", 0)), request.get("label"))
            if len(rows) == 1:
                fields |= self._seen(rows[0])
                if request.get("audit"):
                    fields["audit"] = True
                if request.get("asked"):
                    fields["asked"] = True
            event = await self._append(str(kind), fields, name)
            self._changed()
        return {"seq": event["seq"], **self.counts()}

    def _named(self, request: dict[str, Any], rows: list[int]) -> dict[str, Any]:
        if request.get("label") is not None:
            return {"label": check_name(request["label"])}
        if self.guesses is None:
            raise DataError("nothing is guessed yet: name a class")
        labels = [self._title_now(row) for row in rows]
        if not all(labels):
            raise DataError("some of these items have no guess to agree with: name a class")
        return {"labels": labels}

    async def _spread_first(self, rows: list[int], number: int) -> dict[str, Any]:
        """Put those items first that stand for the others: they teach."""
        if len(rows) <= number:
            return {"taught": len(rows)}
        _, arrays = await self.solver.ask("spread", rows=rows, n=number)
        first = [self.names[row] for row in arrays["rows"].tolist()]
        rest = set(first)
        return {"items": [*first, *(self.names[row] for row in rows if self.names[row] not in rest)], "taught": len(first)}

    def _title_now(self, row: int) -> str:
        mark = self.state.marks.get(self.names[row])
        if mark is not None and mark.key:
            return self.state.title(mark.key)
        return "" if self.guesses is None else self.state.title(self.guesses.key(row))

    def _seen(self, row: int) -> dict[str, Any]:
        if self.guesses is None or self.names[row] in self.state.marks:
            return {}
        key = self.guesses.key(row)
        return {"seen": self.state.title(key), "sure": round(float(self.guesses.chance[row, 0]), 4)} if key else {}

    def _check_conflicts(self, fields: dict[str, Any], saw: int, label: Any) -> None:
        wanted = fields.get("labels") or [label] * len(fields["items"])
        items = []
        for item, title in zip(fields["items"], wanted, strict=True):
            mark = self.state.marks.get(item)
            if mark is not None and mark.seq > saw and self.state.title(mark.key) != title:
                theirs = self.state.title(mark.key) or "set aside"
                items.append({"row": self.row_of[item], "name": item, "theirs": theirs, "yours": title or ""})
        if items:
            raise Conflict(items)

    async def undo(self, request: dict[str, Any], redo: bool = False) -> dict[str, Any]:
        """Take an action back: the last, or the one with that number; or take the last undo back."""
        self._need_ready()
        async with self._acting:
            events = self.journal.events
            name = str(request.get("id", ""))[:64]
            if name and name in self.journal.seq_of:
                return {"seq": self.journal.seq_of[name], "event": None, **self.counts()}
            wanted = request.get("seq")
            if wanted is not None:
                event = next((one for one in events if one["seq"] == wanted and one["kind"] not in ("open",)), None)
            else:
                event = last_to_redo(events) if redo else last_to_undo(events)
            if event is None or event["seq"] in undone(events):
                raise DataError("there is nothing to redo" if redo else "there is nothing to undo")
            await self._append("undo", {"of": event["seq"]}, name)
            target = event if event["kind"] != "undo" else next(one for one in events if one["seq"] == event["of"])
            self._changed()
        return {"seq": self.journal.revision, "event": self._told_of(target), **self.counts()}

    async def change_classes(self, request: dict[str, Any]) -> dict[str, Any]:
        """Add, rename, merge or remove classes."""
        self._need_ready()
        kind = request.get("kind")
        async with self._acting:
            if kind == "class":
                names = [name for name in check_names(request.get("names") or []) if self.state.key_of(name) is None]
                if names:
                    await self._append("class", {"names": names})
            elif kind in ("rename", "merge", "remove"):
                old = str(request.get("class", ""))
                if self.state.key_of(old) is None:
                    raise DataError(f"there is no class {old!r} any more")
                fields = {"class": old} if kind == "remove" else {"class": old, "to": check_name(request.get("to"))}
                await self._append(kind, fields)
            else:
                raise DataError(f"unknown change {kind!r}; expected class, rename, merge or remove")
            self._changed()
        return {"seq": self.journal.revision, **self.counts()}

    async def take_offer(self) -> dict[str, Any]:
        """Take the labels that the source itself holds."""
        self._need_ready()
        async with self._acting:
            labels = {item: label for item, label in self.pile["offered"].items() if item not in self.state.marks}
            if labels:
                await self._import(self.pile["offered_by"], labels)
                self._changed()
        return {"seq": self.journal.revision, **self.counts()}

    def _changed(self) -> None:
        self._announce({"event": "acted", "seq": self.journal.revision, **self.counts()})
        self._ask_solve()
        if self._write_soon is None:
            self._write_soon = asyncio.get_running_loop().call_later(_WRITE_AFTER, self._write_beside)

    def _write_beside(self) -> None:
        self._write_soon = None
        if self._beside is None:
            return
        teaching = self.guesses.teaching if self.guesses is not None else frozenset()
        taught, confirmed = self.state.marked(TAUGHT), self.state.marked(CONFIRMED)
        try:
            self._beside.write({**taught, **{item: label for item, label in confirmed.items() if item in teaching}}, confirmed)
        except UserError as error:
            self._say(str(error))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            async with self._acting:
                await self._import_outside()

    async def _import_outside(self) -> None:
        assert self._beside is not None
        known = {**self.state.labels(TAUGHT), **self.state.labels(CONFIRMED)}
        try:
            labels = await asyncio.to_thread(self._beside.changed, known)
            if labels:
                await self._import("corrections.csv", labels)
        except UserError as error:
            self._say(f"{error}; until then corrections go to corrections.review.csv")
            return
        if labels:
            self._announce({"event": "outside", "items": len(labels)})
            self._changed()

    # ---- guesses

    def _ask_solve(self) -> None:
        taught, confirmed = self.state.labels(TAUGHT), self.state.labels(CONFIRMED)
        classes = {**taught, **confirmed}.values()
        if len(set(classes)) < 2 or not self.ready:
            self.guesses = None if self.ready else self.guesses
            return
        revision = self.journal.revision
        keys = {title: key for key, title in self.state.titles.items()}
        self._asked_for = {at: known for at, known in self._asked_for.items() if at > revision - 500} | {
            revision: (keys, len(taught) + len(confirmed))
        }
        try:
            self.solver.solve({"revision": revision, "taught": taught, "confirmed": confirmed, "aside": self.state.aside})
        except UserError:  # it solves once it is there again
            return
        if not self._solving_since:
            self._solving_since = time.monotonic()
        self._announce({"event": "solving", "of": len(taught) + len(confirmed)})

    def _solved(self, message: dict[str, Any], arrays: Arrays) -> None:
        keys, n_human = self._asked_for.get(message["revision"], ({}, 0))
        if len(self.state.labels(TAUGHT)) + len(self.state.labels(CONFIRMED)) == 0:
            return
        if self.guesses is not None:
            self._history.append(self.guesses)
        self.guesses = Guesses.of(message, arrays, tuple(keys.get(title, title) for title in message["classes"]), n_human)
        if message["revision"] == self.journal.revision:
            self._solving_since = 0.0
        self.trouble = ""
        moved, n_moved = self._moved(self._history[-1] if self._history else None)
        if self._write_soon is None and self.guesses.teaching:
            self._write_soon = asyncio.get_running_loop().call_later(_WRITE_AFTER, self._write_beside)
        self._announce(
            {
                "event": "solved", "revision": message["revision"], "seconds": message["seconds"], "moved": n_moved, "share": moved,
                "fell_back": message["fell_back"], "solving": bool(self._solving_since), **self.counts(),
            }
        )  # fmt: skip

    def _moved(self, before: Guesses | None) -> tuple[float | None, int]:
        """Share and number of guesses that differ from an earlier solve's."""
        if before is None or self.guesses is None or len(before.likely) != len(self.guesses.likely):
            return None, 0
        place_of = {key: place for place, key in enumerate(self.state.titles)}
        now, then = (translated(one.likely[:, 0], one.now(self.state, place_of)) for one in (self.guesses, before))
        both = (now != NOTHING) & (then != NOTHING) & self._is_left()
        return (float((now != then)[both].mean()) if both.any() else 0.0), int((now != then)[both].sum())

    def _is_left(self) -> npt.NDArray[np.bool_]:
        left = np.ones(len(self.names), bool)
        left[[self.row_of[item] for item in self.state.marks if item in self.row_of]] = False
        return left

    def earlier(self, since: str) -> Guesses | None:
        """Return the guesses to compare with: of the ``last`` solve, before the last ``ten`` labels, or an ``hour`` ago."""
        if self.guesses is None or not self._history:
            return None
        if since == "ten":
            return next((one for one in reversed(self._history) if one.n_human <= self.guesses.n_human - _TEN), self._history[0])
        if since == "hour":
            return next((one for one in self._history if one.at >= time.time() - 3600), self._history[-1])
        return self._history[-1]

    # ---- answers

    def _need_ready(self) -> None:
        if not self.ready:
            raise NotReady("the pile is still being opened; a moment")

    def _rows(self, rows: Any) -> list[int]:
        if not isinstance(rows, list) or not all(isinstance(row, int) and 0 <= row < len(self.names) for row in rows):
            raise DataError(f"expected rows, numbers from 0 to {len(self.names) - 1}")
        if len(rows) > MAX_ROWS:
            raise DataError(f"an action may have {MAX_ROWS:,} items; this one has {len(rows):,}")
        return list(dict.fromkeys(rows))

    def counts(self) -> dict[str, Any]:
        """Return how many items are what."""
        kinds = {TAUGHT: 0, CONFIRMED: 0, ASIDE: 0}
        for item, mark in self.state.marks.items():
            kinds[mark.kind] += item in self.row_of
        left = len(self.names) - sum(kinds.values())
        return {"counts": {**kinds, "left": left}, "checked": checked(self.state).plain(), "revision": self.journal.revision}

    def session(self) -> dict[str, Any]:
        """Return what a page needs when it opens."""
        common = {
            "ready": self.ready, "stage": self.stage, "trouble": self.trouble, "title": Path(self.opening.path).name,
            "out": str(self.out), "revision": self.journal.revision,
        }  # fmt: skip
        if not self.ready:
            return common
        taught, confirmed = (dict.fromkeys(self.state.titles, 0) for _ in range(2))
        for mark in self.state.marks.values():
            if mark.kind != ASIDE:
                (taught if mark.kind == TAUGHT else confirmed)[mark.key] += 1
        classes = [{"name": title, "taught": taught[key], "confirmed": confirmed[key]} for key, title in self.state.titles.items()]
        offered = [item for item in self.pile["offered"] if item not in self.state.marks]
        offer = None
        if offered and not self.state.marks:
            kinds = len({self.pile["offered"][item] for item in offered})
            offer = {"by": self.pile["offered_by"], "items": len(offered), "classes": kinds}
        return common | {
            "modality": self.pile["modality"], "root": self.pile["root"], "encoder": self.pile["encoder"], "notes": self.pile["notes"],
            "skipped": len(self.pile["skipped"]), "run": self.pile["run"][:16], "n": len(self.names), "first": self.first,
            "classes": classes, "offer": offer, "solved": 0 if self.guesses is None else self.guesses.revision,
            "solving": bool(self._solving_since), "seconds": None if self.guesses is None else self.guesses.seconds,
            "can_undo": last_to_undo(self.journal.events) is not None, **self.counts(),
        }  # fmt: skip

    def columns(self, since: str = "last") -> bytes:
        """Return the columns of all items; see `columns.columns`."""
        self._need_ready()
        place_of = {key: place for place, key in enumerate(self.state.titles)}
        before, earlier = self.earlier(since), None
        if before is not None and len(before.likely) == len(self.names):
            earlier = translated(before.likely[:, 0], before.now(self.state, place_of))
        return columns(self.state, self.guesses, earlier, self.row_of, place_of, self.journal.revision)

    def queue(self, number: int, checks_only: bool = False) -> list[dict[str, Any]]:
        """Return the items to ask next, with words why."""
        self._need_ready()
        left_out = {self.row_of[item] for item in self.state.marks if item in self.row_of} | self._skipped
        chosen = queue(number, self.state.asked, self.guesses, self.first, self._order, left_out, checks_only)
        for one in chosen:
            titles = [title for title in map(self._title_of_solve, one.pop("between")) if title]
            if one["audit"]:
                one["why"] = "a check: drawn at random, asked without a guess"
            elif one["new"]:
                one["why"] = "unlike every class: perhaps a new one"
            else:
                one["why"] = f"{titles[0]} or {titles[1]}?" if len(titles) == 2 else "it stands for many others"
        return chosen

    def _title_of_solve(self, title: str) -> str:
        """Return what a class is called now that was called so in the last solve."""
        keys = self._asked_for.get(self.guesses.revision, ({}, 0))[0] if self.guesses is not None else {}
        return self.state.title(keys.get(title, title))

    def items(self, rows: list[int]) -> list[dict[str, Any]]:
        """Return what is shown of some items."""
        self._need_ready()
        place_of = {key: place for place, key in enumerate(self.state.titles)}
        now = None if self.guesses is None else self.guesses.now(self.state, place_of)
        told = []
        for row in self._rows(rows)[:200]:
            name, candidates = self.names[row], []
            if self.guesses is not None and now is not None:
                places = translated(self.guesses.likely[row], now).tolist()
                chances = self.guesses.chance[row].tolist()
                candidates = [[place, round(chance, 4)] for place, chance in zip(places, chances, strict=True) if place != NOTHING]
            mark = self.state.marks.get(name)
            told.append(
                {
                    "row": row,
                    "name": name,
                    "text": None if self.texts is None else self.texts[row],
                    "candidates": candidates,
                    "kind": None if mark is None else mark.kind,
                    "audit": bool(mark is not None and mark.audit),
                }
            )
        return told

    async def similar(self, rows: list[int], number: int) -> list[int]:
        """Return the rows nearest to some, the nearest first."""
        self._need_ready()
        _, arrays = await self.solver.ask("similar", rows=self._rows(rows), n=number)
        return arrays["rows"].tolist()  # type: ignore[no-any-return]

    def search(self, words: str, number: int = 2000) -> list[int]:
        """Return the rows whose name or text holds all words."""
        self._need_ready()
        wanted = words.casefold().split()
        texts = self.texts or [""] * len(self.names)
        found = []
        for row, (name, text) in enumerate(zip(self.names, texts, strict=True)):
            hay = f"{name} {text}".casefold()
            if all(word in hay for word in wanted):
                found.append(row)
                if len(found) == number:
                    break
        return found

    async def heaps(self) -> list[list[int]]:
        """Return items unlike every class, like ones together."""
        self._need_ready()
        if self.guesses is None:
            return []
        if self._heaps[0] != self.guesses.revision:
            human = [self.row_of[item] for item in self.state.marks if item in self.row_of]
            message, _ = await self.solver.ask("heaps", human=human)
            self._heaps = (self.guesses.revision, message["heaps"])
        marked = {self.row_of[item] for item in self.state.marks if item in self.row_of}
        left = [[row for row in heap if row not in marked] for heap in self._heaps[1]]
        return sorted((heap for heap in left if heap), key=len, reverse=True)

    async def places(self) -> bytes:
        """Return where each item lies on the map, as pairs of uint16."""
        self._need_ready()
        if self._places is None:
            _, arrays = await self.solver.ask("places")
            self._places = arrays["places"].tobytes()
        return self._places

    async def trust(self, goal: float = _GOAL) -> dict[str, Any]:
        """Return how right the labels are, and what to do next."""
        self._need_ready()
        ten = self.earlier("ten")
        moved = (
            self._moved(ten)[0]
            if ten is not None and self.guesses is not None and ten.n_human <= self.guesses.n_human - _TEN
            else None
        )
        left = self._is_left()
        claimed = float(self.guesses.chance[left, 0].mean()) if self.guesses is not None and left.any() else None
        n_classes = len(set(self.state.labels(TAUGHT).values()) | set(self.state.labels(CONFIRMED).values()))
        return {
            **self.counts(), "claimed": claimed, "moved": moved, "goal": goal, "course": course(self.state), "doubts": doubts(self.state),
            "advice": advice(n_classes, int(left.sum()), self.state, await self.heaps(), moved, goal),
        }  # fmt: skip

    def history(self, before: int | None, number: int = 60) -> list[dict[str, Any]]:
        """Return actions, the newest first."""
        self._need_ready()
        gone = undone(self.journal.events)
        events = [one for one in reversed(self.journal.events) if one["kind"] != "open" and (before is None or one["seq"] < before)]
        return [{**self._told_of(event), "undone": event["seq"] in gone} for event in events[:number]]

    def _told_of(self, event: Event) -> dict[str, Any]:
        told = {
            key: event[key]
            for key in ("seq", "at", "kind", "label", "class", "to", "names", "from", "of", "seen", "audit", "taught")
            if key in event
        }
        items = event.get("items", [])
        if "labels" in event:
            kinds = list(dict.fromkeys(event["labels"]))
            told["label"] = kinds[0] if len(kinds) == 1 else f"{len(kinds)} classes"
        later = [self.state.marks.get(item) for item in items]
        return told | {
            "n": len(items),
            "rows": [self.row_of[item] for item in items[:8] if item in self.row_of],
            "later": sum(mark is not None and mark.seq > event["seq"] for mark in later),
        }

    async def finish(self, formats: Sequence[str]) -> list[str]:
        """Write labels.csv, the report, the summary, the run, and exports; return the paths."""
        self._need_ready()
        from sibyl.reviewing.exports import FORMATS

        unknown = [name for name in formats if name not in FORMATS]
        if unknown:
            raise DataError(f"unknown format {unknown[0]!r}; known: {', '.join(FORMATS)}")
        taught, confirmed = self.state.labels(TAUGHT), self.state.labels(CONFIRMED)
        if len(set({**taught, **confirmed}.values())) < 2:
            raise DataError("name items of at least two classes first")
        self._write_beside()
        message, _ = await self.solver.ask(
            "finish", taught=taught, confirmed=confirmed, aside=self.state.aside, formats=list(formats)
        )
        return list(message["written"])
