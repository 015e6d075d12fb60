"""From the events of a journal to what holds now: labels, classes, checks. A pure function of the events; undo leaves events out."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sibyl.errors import DataError
from sibyl.messages import runs_as_formula
from sibyl.reviewing.journal import Event

TAUGHT, CONFIRMED, ASIDE = "taught", "confirmed", "aside"
MAX_NAME = 200
_ACTIONS = ("teach", "confirm", "aside", "clear", "import", "class", "rename", "merge", "remove", "undo")


@dataclass(frozen=True)
class Mark:
    """What a person said of an item.

    Parameters
    ----------
    kind : str
        ``taught``, ``confirmed`` or ``aside``.
    key : str
        The class; empty for an item set aside.
    seq : int
        Number of the event.
    seen : str
        Key of the class that was guessed then; empty if there was no guess.
    sure : float
        The guess's confidence.
    audit : bool
        The item was drawn at random and asked without showing the guess.
    at : str
        When it was said.
    """

    kind: str
    key: str
    seq: int
    seen: str = ""
    sure: float = 0.0
    audit: bool = False
    at: str = ""


@dataclass
class State:
    """What holds after some events.

    Parameters
    ----------
    marks : dict of str to Mark
        Item → what a person said, in the order in which it was said.
    titles : dict of str to str
        Key of a class → its name as shown, in the order in which the classes came up. A key never changes; a name may.
    alias : dict of str to str
        Key of a class that was merged into another → that one's.
    asked : int
        Items answered one at a time.
    """

    marks: dict[str, Mark] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    _key_of: dict[str, str] = field(default_factory=dict)

    def key_of(self, title: str) -> str | None:
        """Key of the class with that name, if there is one."""
        return self._key_of.get(title)

    def current(self, key: str) -> str:
        """Key of the class that a class has become; empty if it is gone."""
        while key in self.alias:
            key = self.alias[key]
        return key if key in self.titles else ""

    def title(self, key: str) -> str:
        """Return the name of a class as it is shown now; empty if the class is gone."""
        return self.titles.get(self.current(key), "")

    def marked(self, kind: str) -> dict[str, tuple[str, Mark]]:
        """Item → name of its class and the mark, of the items that were taught, or confirmed."""
        return {item: (self.title(mark.key), mark) for item, mark in self.marks.items() if mark.kind == kind}

    def labels(self, kind: str) -> dict[str, str]:
        """Item → name of its class, of the items that were taught, or confirmed."""
        return {item: self.title(mark.key) for item, mark in self.marks.items() if mark.kind == kind}

    @property
    def by_person(self) -> dict[str, str]:
        """Item → name of its class, of all that a person labelled."""
        return {**self.labels(TAUGHT), **self.labels(CONFIRMED)}

    @property
    def place_of(self) -> dict[str, int]:
        """Key of a class → its place among the page's classes."""
        return {key: place for place, key in enumerate(self.titles)}

    def counts(self, items: Collection[str]) -> dict[str, int]:
        """Return how many of some items are what, and how many have no mark."""
        kinds = Counter(mark.kind for item, mark in self.marks.items() if item in items)
        return {kind: kinds[kind] for kind in (TAUGHT, CONFIRMED, ASIDE)} | {"left": len(items) - kinds.total()}

    @property
    def aside(self) -> list[str]:
        """Items that are in no class."""
        return [item for item, mark in self.marks.items() if mark.kind == ASIDE]

    def apply(self, event: Event) -> None:
        """Take one event in; an undo is not among them."""
        kind = event["kind"]
        if kind in ("teach", "confirm", "import"):
            n = event.get("taught", 0 if kind == "confirm" else len(event["items"]))
            for place, (item, title) in enumerate(zip(event["items"], labels_of(event), strict=True)):
                seen = self._guess(event, place)
                self._mark(
                    item, Mark(TAUGHT if place < n else CONFIRMED, self._ensure(title, event), event["seq"], *seen, event["at"])
                )
            self.asked += bool(event.get("asked"))
        elif kind == "aside":
            for item in event["items"]:
                self._mark(item, Mark(ASIDE, "", event["seq"], at=event["at"]))
            self.asked += bool(event.get("asked"))
        elif kind == "clear":
            for item in event["items"]:
                self.marks.pop(item, None)
        elif kind == "class":
            for title in event["names"]:
                self._ensure(title, event)
        elif kind in ("rename", "merge"):
            self._rename(event["class"], event["to"])
        elif kind == "remove":
            key = self.key_of(event["class"])
            if key is not None:
                self.marks = {item: mark for item, mark in self.marks.items() if mark.key != key}
                del self.titles[key], self._key_of[event["class"]]

    def _guess(self, event: Event, place: int) -> tuple[str, float, bool]:
        if "seen" not in event or place:
            return "", 0.0, False
        return self.key_of(event["seen"]) or "", float(event.get("sure", 0.0)), bool(event.get("audit"))

    def _mark(self, item: str, mark: Mark) -> None:
        before = self.marks.pop(item, None)
        if before is not None and before.audit and mark.kind != ASIDE:  # a check stays one, whatever is said of the item later
            mark = replace(mark, seen=before.seen, sure=before.sure, audit=True)
        self.marks[item] = mark

    def _ensure(self, title: str, event: Event) -> str:
        key = self._key_of.get(title)
        if key is None:
            taken = title in self.titles or title in self.alias
            key = f"{title}\0{event['seq']}" if taken else title
            self.titles[key], self._key_of[title] = title, key
        return key

    def _rename(self, old: str, new: str) -> None:
        key = self._key_of.get(old)
        if key is None or old == new:
            return
        into = self._key_of.get(new)
        del self._key_of[old]
        if into is None:
            self.titles[key], self._key_of[new] = new, key
            return
        del self.titles[key]
        self.alias[key] = into
        self.marks = {item: replace(mark, key=into) if mark.key == key else mark for item, mark in self.marks.items()}


def labels_of(event: Event) -> Sequence[str]:
    """Name of the class of each item of an event."""
    return event["labels"] if "labels" in event else [event["label"]] * len(event["items"])


def undone(events: Sequence[Event]) -> set[int]:
    """Numbers of the events that an undo took back; an undo may itself be undone."""
    gone: set[int] = set()
    for event in reversed(events):
        if event["kind"] == "undo" and event["seq"] not in gone:
            gone.add(event["of"])
    return gone


def replay(events: Sequence[Event]) -> State:
    """Return what holds after all events."""
    state, gone = State(), undone(events)
    for event in events:
        if event["seq"] not in gone and event["kind"] not in ("undo", "open"):
            state.apply(event)
    return state


def last_to_undo(events: Sequence[Event]) -> Event | None:
    """The newest action that still holds."""
    gone = undone(events)
    return next((one for one in reversed(events) if one["kind"] in _ACTIONS[:-1] and one["seq"] not in gone), None)


def last_to_redo(events: Sequence[Event]) -> Event | None:
    """The newest undo that still holds, if nothing else was done since."""
    gone = undone(events)
    for event in reversed(events):
        if event["kind"] == "undo":
            target = next((one for one in events if one["seq"] == event["of"]), None)
            if event["seq"] not in gone and target is not None and target["kind"] != "undo":
                return event
        elif event["kind"] != "open":
            return None
    return None


def check_name(title: Any) -> str:
    """Return the name of a class, without blanks around it.

    Raises
    ------
    DataError
        If it is no name, is too long, holds control characters, or would run as a formula in spreadsheets.
    """
    if not isinstance(title, str) or not title.strip():
        raise DataError("a class needs a name of at least one letter")
    name = unicodedata.normalize("NFC", " ".join(title.split()))
    if len(name) > MAX_NAME:
        raise DataError(f"the name of a class may have {MAX_NAME} letters, this one has {len(name)}")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise DataError("the name of a class may not hold control characters")
    if runs_as_formula(name):
        raise DataError(f"the name {name!r} would run as a formula in spreadsheets; choose another")
    return name


def check_names(titles: Iterable[Any]) -> list[str]:
    """Check several names; each once."""
    return list(dict.fromkeys(check_name(title) for title in titles))
