"""What the page reads: counts, columns, the queue, items, the history. Nothing here changes a label."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from sibyl.reviewing.audit import advice, course, doubts
from sibyl.reviewing.columns import columns
from sibyl.reviewing.guesses import NOTHING, Guesses, translated
from sibyl.reviewing.journal import Event
from sibyl.reviewing.questions import queue
from sibyl.reviewing.session import Session
from sibyl.reviewing.state import ASIDE, TAUGHT, last_to_undo, undone

_TEN = 10
_FEW = 20  # items that cannot be read, told by name
_GOAL = 0.95
_PATIENCE = 1.0  # seconds


class Answers:
    """What the page reads of a session.

    Parameters
    ----------
    session : Session
        What is asked.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._heaps: tuple[int, list[list[int]]] = (-1, [])
        self._places: bytes | None = None

    def session(self) -> dict[str, Any]:
        """Return what a page needs when it opens."""
        session = self._session
        common = {
            "ready": session.ready, "stage": session.stage, "trouble": session.trouble, "title": Path(session.opening.path).name,
            "out": str(session.out), "revision": session.journal.revision,
        }  # fmt: skip
        if not session.ready:
            return common
        taught, confirmed = (dict.fromkeys(session.state.titles, 0) for _ in range(2))
        for mark in session.state.marks.values():
            if mark.kind != ASIDE:
                (taught if mark.kind == TAUGHT else confirmed)[mark.key] += 1
        classes = [
            {"name": title, "taught": taught[key], "confirmed": confirmed[key]} for key, title in session.state.titles.items()
        ]
        offered = [item for item in session.pile["offered"] if item not in session.state.marks]
        offer = None
        if offered and not session.state.marks:
            kinds = len({session.pile["offered"][item] for item in offered})
            offer = {"by": session.pile["offered_by"], "items": len(offered), "classes": kinds}
        return common | {
            "modality": session.pile["modality"], "root": session.pile["root"], "encoder": session.pile["encoder"], "notes": session.pile["notes"],
            "skipped": len(session.pile["skipped"]), "skipped_first": session.pile["skipped"][:_FEW], "run": session.pile["run"][:16], "n": len(session.names), "first": session.first,
            "classes": classes, "offer": offer, "solved": 0 if session.guesses is None else session.guesses.revision,
            "solving": bool(session.solving_since), "seconds": None if session.guesses is None else session.guesses.seconds,
            "can_undo": last_to_undo(session.journal.events) is not None, **session.counts(),
        }  # fmt: skip

    def columns(self, since: str = "last") -> bytes:
        """Return the columns of all items; see `columns.columns`."""
        session = self._session
        session.need_ready()
        before, earlier = self._earlier(since), None
        if before is not None and len(before.likely) == len(session.names):
            earlier = translated(before.likely[:, 0], before.now(session.state))
        return columns(session.state, session.guesses, earlier, session.row_of, session.journal.revision)

    def queue(self, number: int, checks_only: bool = False) -> list[dict[str, Any]]:
        """Return the items to ask next, with words why."""
        session = self._session
        session.need_ready()
        left_out = session.marked_rows | session.skipped
        chosen = queue(number, session.state.asked, session.guesses, session.first, session.order, left_out, checks_only)
        for one in chosen:
            titles = [title for title in map(self._title_of_solve, one.pop("between")) if title]
            if one["audit"]:
                one["why"] = "a check: drawn at random, asked without a guess"
            elif one["new"]:
                one["why"] = "unlike every class: perhaps a new one"
            else:
                usual = "it stands for many others" if session.guesses is None else "little like any example so far"
                one["why"] = f"{titles[0]} or {titles[1]}?" if len(titles) == 2 else usual
        return chosen

    def _title_of_solve(self, title: str) -> str:
        """Return what a class is called now that was called so in the last solve."""
        session = self._session
        keys = session.asked_for.get(session.guesses.revision, ({}, 0))[0] if session.guesses is not None else {}
        return session.state.title(keys.get(title, title))

    def items(self, rows: list[int]) -> list[dict[str, Any]]:
        """Return what is shown of some items."""
        session = self._session
        session.need_ready()
        now = None if session.guesses is None else session.guesses.now(session.state)
        told = []
        for row in session.rows(rows)[:200]:
            name, candidates = session.names[row], []
            if session.guesses is not None and now is not None:
                places = translated(session.guesses.likely[row], now).tolist()
                chances = session.guesses.chance[row].tolist()
                candidates = [[place, round(chance, 8)] for place, chance in zip(places, chances, strict=True) if place != NOTHING]
            mark = session.state.marks.get(name)
            told.append(
                {
                    "row": row,
                    "name": name,
                    "text": None if session.texts is None else session.texts[row],
                    "candidates": candidates,
                    "kind": None if mark is None else mark.kind,
                    "audit": bool(mark is not None and mark.audit),
                }
            )
        return told

    def _earlier(self, since: str) -> Guesses | None:
        """Return the guesses to compare with: of the ``last`` solve, before the last ``ten`` labels, or an ``hour`` ago."""
        session = self._session
        if session.guesses is None or not session.past:
            return None
        if since == "ten":
            return next((one for one in reversed(session.past) if one.n_human <= session.guesses.n_human - _TEN), session.past[0])
        if since == "hour":
            return next((one for one in session.past if one.at >= time.time() - 3600), session.past[-1])
        return session.past[-1]

    async def similar(self, rows: list[int], number: int) -> list[int]:
        """Return the rows nearest to some, the nearest first."""
        self._session.need_ready()
        _, arrays = await self._session.solver.ask("similar", rows=self._session.rows(rows), n=number)
        return arrays["rows"].tolist()  # type: ignore[no-any-return]

    def search(self, words: str, number: int = 2000) -> list[int]:
        """Return the rows whose name or text holds all words."""
        session = self._session
        session.need_ready()
        wanted = words.casefold().split()
        texts = session.texts or [""] * len(session.names)
        found = []
        for row, (name, text) in enumerate(zip(session.names, texts, strict=True)):
            hay = f"{name} {text}".casefold()
            if all(word in hay for word in wanted):
                found.append(row)
                if len(found) == number:
                    break
        return found

    async def heaps(self) -> list[list[int]]:
        """Return items unlike every class, like ones together."""
        session = self._session
        session.need_ready()
        if session.guesses is None:
            return []
        if self._heaps[0] != session.guesses.revision:
            message, _ = await session.solver.ask("heaps", human=list(session.marked_rows))
            self._heaps = (session.guesses.revision, message["heaps"])
        marked = session.marked_rows
        left = [[row for row in heap if row not in marked] for heap in self._heaps[1]]
        return sorted((heap for heap in left if heap), key=len, reverse=True)

    async def places(self) -> bytes:
        """Return where each item lies on the map, as pairs of uint16."""
        self._session.need_ready()
        if self._places is None:
            _, arrays = await self._session.solver.ask("places")
            self._places = arrays["places"].tobytes()
        return self._places

    async def trust(self, goal: float = _GOAL) -> dict[str, Any]:
        """Return how right the labels are, and what to do next."""
        session = self._session
        session.need_ready()
        try:
            heaps = await asyncio.wait_for(self.heaps(), _PATIENCE)
        except TimeoutError:  # a solve is running: what is known from before will do
            heaps = self._heaps[1]
        ten = self._earlier("ten")
        left, moved, claimed = session.is_left(), None, None
        if session.guesses is not None:
            if ten is not None and ten.n_human <= session.guesses.n_human - _TEN:
                moved = session.guesses.moved(ten, session.state, left)[0]
            claimed = float(session.guesses.chance[left, 0].mean()) if left.any() else None
        n_classes = len(set(session.state.by_person.values()))
        return {
            **session.counts(), "claimed": claimed, "moved": moved, "goal": goal, "course": course(session.state),
            "doubts": doubts(session.state), "advice": advice(n_classes, int(left.sum()), session.state, heaps, moved, goal),
        }  # fmt: skip

    def history(self, before: int | None, number: int = 60) -> list[dict[str, Any]]:
        """Return actions, the newest first."""
        session = self._session
        session.need_ready()
        events, gone = session.journal.events, undone(session.journal.events)
        told = [one for one in reversed(events) if one["kind"] != "open" and (before is None or one["seq"] < before)]
        return [{**told_of(session, event), "undone": event["seq"] in gone} for event in told[:number]]


def told_of(session: Session, event: Event) -> dict[str, Any]:
    """Return what is told of an action."""
    told = {
        key: event[key]
        for key in ("seq", "at", "kind", "label", "class", "to", "names", "from", "of", "seen", "audit", "taught")
        if key in event
    }
    items = event.get("items", [])
    if "labels" in event:
        kinds = list(dict.fromkeys(event["labels"]))
        told["label"] = kinds[0] if len(kinds) == 1 else f"{len(kinds)} classes"
    later = [session.state.marks.get(item) for item in items]
    return told | {
        "n": len(items),
        "rows": [session.row_of[item] for item in items[:8] if item in session.row_of],
        "later": sum(mark is not None and mark.seq > event["seq"] for mark in later),
    }
