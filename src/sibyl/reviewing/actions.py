"""What a person does: label, confirm, undo, change classes, write the files. Each is on the disk when it returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sibyl.errors import DataError, UserError
from sibyl.reviewing.answers import told_of
from sibyl.reviewing.session import Session
from sibyl.reviewing.state import CONFIRMED, TAUGHT, check_name, check_names, last_to_redo, last_to_undo, undone


class Conflict(UserError):
    """Some items were labelled otherwise since the page looked."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        super().__init__("these items were labelled elsewhere since")
        self.items = items


class Actions:
    """What a person does with a session.

    Parameters
    ----------
    session : Session
        What is changed.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def act(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry one action out: on the disk when this returns.

        Raises
        ------
        UserError
            If it is not allowed, cannot be written, or meets a label that came from elsewhere.
        """
        session = self._session
        session.need_ready()
        name = str(request.get("id", ""))[:64]
        async with session.acting:
            if name and name in session.journal.seq_of:  # sent again after a lost answer: done already
                return {"seq": session.journal.seq_of[name], **session.counts()}
            kind, rows = request.get("kind"), session.rows(request.get("rows"))
            if kind == "skip":
                session.skipped |= set(rows)
                return {"seq": session.journal.revision, **session.counts()}
            items = [session.names[row] for row in rows]
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
            event = await session.append(str(kind), fields, name)
            session.changed()
        return {"seq": event["seq"], **session.counts()}

    def _named(self, request: dict[str, Any], rows: list[int]) -> dict[str, Any]:
        if request.get("label") is not None:
            return {"label": check_name(request["label"])}
        if self._session.guesses is None:
            raise DataError("nothing is guessed yet: name a class")
        labels = [self._title_now(row) for row in rows]
        if not all(labels):
            raise DataError("some of these items have no guess to agree with: name a class")
        return {"labels": labels}

    async def _spread_first(self, rows: list[int], number: int) -> dict[str, Any]:
        """Put those items first that stand for the others: they teach."""
        session = self._session
        if len(rows) <= number:
            return {"taught": len(rows)}
        _, arrays = await session.solver.ask("spread", rows=rows, n=number)
        first = [session.names[row] for row in arrays["rows"].tolist()]
        rest = set(first)
        return {"items": [*first, *(session.names[row] for row in rows if session.names[row] not in rest)], "taught": len(first)}

    def _title_now(self, row: int) -> str:
        session = self._session
        mark = session.state.marks.get(session.names[row])
        if mark is not None and mark.key:
            return session.state.title(mark.key)
        return "" if session.guesses is None else session.state.title(session.guesses.key(row))

    def _seen(self, row: int) -> dict[str, Any]:
        session = self._session
        if session.guesses is None or session.names[row] in session.state.marks:
            return {}
        key = session.guesses.key(row)
        return {"seen": session.state.title(key), "sure": round(float(session.guesses.chance[row, 0]), 4)} if key else {}

    def _check_conflicts(self, fields: dict[str, Any], saw: int, label: Any) -> None:
        session = self._session
        wanted = fields.get("labels") or [label] * len(fields["items"])
        items = []
        for item, title in zip(fields["items"], wanted, strict=True):
            mark = session.state.marks.get(item)
            if mark is not None and mark.seq > saw and session.state.title(mark.key) != title:
                theirs = session.state.title(mark.key) or "set aside"
                items.append({"row": session.row_of[item], "name": item, "theirs": theirs, "yours": title or ""})
        if items:
            raise Conflict(items)

    async def undo(self, request: dict[str, Any], redo: bool = False) -> dict[str, Any]:
        """Take an action back: the last, or the one with that number; or take the last undo back."""
        session = self._session
        session.need_ready()
        async with session.acting:
            events = session.journal.events
            name = str(request.get("id", ""))[:64]
            if name and name in session.journal.seq_of:
                return {"seq": session.journal.seq_of[name], "event": None, **session.counts()}
            wanted = request.get("seq")
            if wanted is not None:
                event = next((one for one in events if one["seq"] == wanted and one["kind"] not in ("open",)), None)
            else:
                event = last_to_redo(events) if redo else last_to_undo(events)
            if event is None or event["seq"] in undone(events):
                raise DataError("there is nothing to redo" if redo else "there is nothing to undo")
            await session.append("undo", {"of": event["seq"]}, name)
            target = event if event["kind"] != "undo" else next(one for one in events if one["seq"] == event["of"])
            session.changed()
        return {"seq": session.journal.revision, "event": told_of(session, target), **session.counts()}

    async def change_classes(self, request: dict[str, Any]) -> dict[str, Any]:
        """Add, rename, merge or remove classes."""
        session = self._session
        session.need_ready()
        kind = request.get("kind")
        async with session.acting:
            if kind == "class":
                names = [name for name in check_names(request.get("names") or []) if session.state.key_of(name) is None]
                if names:
                    await session.append("class", {"names": names})
            elif kind in ("rename", "merge", "remove"):
                old = str(request.get("class", ""))
                if session.state.key_of(old) is None:
                    raise DataError(f"there is no class {old!r} any more")
                fields = {"class": old} if kind == "remove" else {"class": old, "to": check_name(request.get("to"))}
                await session.append(kind, fields)
            else:
                raise DataError(f"unknown change {kind!r}; expected class, rename, merge or remove")
            session.changed()
        return {"seq": session.journal.revision, **session.counts()}

    async def take_offer(self) -> dict[str, Any]:
        """Take the labels that the source itself holds."""
        session = self._session
        session.need_ready()
        async with session.acting:
            labels = {item: label for item, label in session.pile["offered"].items() if item not in session.state.marks}
            if labels:
                await session.take_in(session.pile["offered_by"], labels)
                session.changed()
        return {"seq": session.journal.revision, **session.counts()}

    async def finish(self, formats: Sequence[str]) -> list[str]:
        """Write labels.csv, the report, the summary, the run, and exports; return the paths."""
        session = self._session
        session.need_ready()
        from sibyl.reviewing.exports import FORMATS

        unknown = [name for name in formats if name not in FORMATS]
        if unknown:
            raise DataError(f"unknown format {unknown[0]!r}; known: {', '.join(FORMATS)}")
        taught, confirmed = session.state.labels(TAUGHT), session.state.labels(CONFIRMED)
        if len(set(session.state.by_person.values())) < 2:
            raise DataError("name items of at least two classes first")
        session.write_beside()
        revision = session.journal.revision
        message, _ = await session.solver.ask(
            "finish", taught=taught, confirmed=confirmed, aside=session.state.aside, formats=list(formats)
        )
        session.wrote(revision)
        return list(message["written"])
