"""What holds after some events is a pure function of them, and undo is leaving out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sibyl.errors import DataError
from sibyl.reviewing.journal import Event
from sibyl.reviewing.state import State, check_name, last_to_redo, last_to_undo, replay

ITEMS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4, unique=True)
CLASSES = st.sampled_from(["cat", "dog", "Katze", "hen"])
ACTION = st.one_of(
    st.builds(lambda items, label: ("teach", {"items": items, "label": label}), ITEMS, CLASSES),
    st.builds(lambda items, label: ("confirm", {"items": items, "label": label, "taught": 1}), ITEMS, CLASSES),
    st.builds(lambda items: ("aside", {"items": items}), ITEMS),
    st.builds(lambda items: ("clear", {"items": items}), ITEMS),
    st.builds(lambda one, two: ("rename", {"class": one, "to": two}), CLASSES, CLASSES),
    st.builds(lambda one: ("remove", {"class": one}), CLASSES),
    st.builds(lambda names: ("class", {"names": names}), st.lists(CLASSES, min_size=1, max_size=3)),
)


class Events:
    """A journal in memory."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def add(self, kind: str, fields: dict[str, Any]) -> Event:
        event = {"seq": len(self.all) + 1, "at": f"t{len(self.all)}", "kind": kind, **fields}
        self.all.append(event)
        return event


def seen(state: State) -> Any:
    """What a person sees of a state: labels in words."""
    marks = {item: (mark.kind, state.title(mark.key)) for item, mark in state.marks.items()}
    return marks, list(state.titles.values())


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTION, max_size=12), ACTION)
def test_undo_takes_back_exactly_one_action_and_redo_brings_it_again(before: list[Any], action: Any) -> None:
    events = Events()
    for kind, fields in before:
        events.add(kind, fields)
    then = seen(replay(events.all))
    done = events.add(*action)
    now = seen(replay(events.all))
    events.add("undo", {"of": done["seq"]})
    assert seen(replay(events.all)) == then
    again = last_to_redo(events.all)
    assert again is not None
    events.add("undo", {"of": again["seq"]})
    assert seen(replay(events.all)) == now
    assert last_to_redo(events.all) is None


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTION, max_size=12))
def test_events_one_by_one_are_events_replayed(actions: list[Any]) -> None:
    events, state = Events(), State()
    for kind, fields in actions:
        state.apply(events.add(kind, fields))
    assert seen(state) == seen(replay(events.all))
    while (last := last_to_undo(events.all)) is not None:
        events.add("undo", {"of": last["seq"]})
    assert seen(replay(events.all)) == ({}, [])


def test_a_rename_applies_to_the_past_and_the_old_name_can_be_used_anew() -> None:
    events = Events()
    events.add("teach", {"items": ["a"], "label": "stop_sign"})
    events.add("rename", {"class": "stop_sign", "to": "stop sign"})
    events.add("teach", {"items": ["b"], "label": "stop_sign"})
    assert replay(events.all).labels("taught") == {"a": "stop sign", "b": "stop_sign"}


def test_a_merge_carries_guesses_of_the_old_class_along() -> None:
    events = Events()
    events.add("teach", {"items": ["a"], "label": "cat"})
    events.add("teach", {"items": ["b"], "label": "kitten"})
    events.add("merge", {"class": "kitten", "to": "cat"})
    state = replay(events.all)
    assert state.title("kitten") == "cat"
    assert list(state.titles.values()) == ["cat"]


def test_a_check_stays_a_check_when_its_item_is_named_again() -> None:
    events = Events()
    events.add("teach", {"items": ["x"], "label": "cat"})
    events.add("teach", {"items": ["a"], "label": "dog", "seen": "cat", "sure": 0.8, "audit": True})
    events.add("teach", {"items": ["a"], "label": "cat"})
    mark = replay(events.all).marks["a"]
    assert mark.audit
    assert mark.seen == mark.key == "cat"


@pytest.mark.parametrize("name", ["", "  ", "=1+1", "@x", "+cmd|x", "＝1+1", "a\0b", "x" * 201, None, 3])
def test_names_that_no_class_may_have(name: Any) -> None:
    with pytest.raises(DataError):
        check_name(name)


@pytest.mark.parametrize(("name", "kept"), [(" stop  sign ", "stop sign"), ("<script>", "<script>"), ("-5", "-5"), ("猫", "猫")])
def test_names_that_a_class_may_have(name: str, kept: str) -> None:
    assert check_name(name) == kept
