"""A real server, a real solver, labels on the disk: what a session promises."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sibyl
from sibyl.errors import DataError
from sibyl.reviewing import notebook as _notebook  # noqa: F401 - imported lazily, deep in a test, the checks of shapes fail to compile
from tests.reviewing.serving import Served, served, ten_clusters


def rows_by_class(server: Served, truth: dict[str, str]) -> dict[str, list[int]]:
    """Rows of each class, those that the page asks first in front."""
    session = server.json("/api/session")
    first = session["first"]
    rows = [*first, *(row for row in range(session["n"]) if row not in set(first))]
    names: dict[int, str] = {}
    for start in range(0, len(rows), 200):
        names |= {
            item["row"]: item["name"] for item in server.json("/api/items?rows=" + ",".join(map(str, rows[start : start + 200])))
        }
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(truth[names[row]], []).append(row)
    return found


def label_of(server: Served, row: int) -> str:
    classes = [one["name"] for one in server.json("/api/session")["classes"]]
    place = int(server.columns()["label"][row])
    return classes[place] if place < len(classes) else ""


def test_a_whole_session(tmp_path: Path) -> None:
    truth = ten_clusters(tmp_path / "pile.npz", n=220)
    out = tmp_path / "out"
    with served(tmp_path / "pile.npz", "--out", out, "--classes", "apple,banana") as server:
        assert server.ready()["n"] == len(truth)
        rows = rows_by_class(server, truth)
        assert [one["name"] for one in server.json("/api/session")["classes"]] == ["apple", "banana"]

        # One label a class: the rest follows.
        revision = 0
        for name, some in rows.items():
            status, answer = server.act("teach", some[:1], name)
            assert status == 200
            revision = answer["seq"]
        session = server.solved(revision)
        assert session["counts"] == {"taught": 5, "confirmed": 0, "aside": 0, "left": len(truth) - 5}
        names = [one["name"] for one in session["classes"]]
        wanted = {row: name for name, some in rows.items() for row in some}
        guesses = server.columns()["label"]
        assert np.mean([names[guesses[row]] == name for row, name in wanted.items()]) > 0.8

        # An action sent twice is done once; an action that meets another label is not done.
        row = rows["apple"][5]
        first = server.act("teach", [row], "apple", id="same", saw=session["revision"])
        again = server.act("teach", [row], "apple", id="same", saw=session["revision"])
        assert first[1]["seq"] == again[1]["seq"]
        status, conflict = server.act("teach", [row], "banana", saw=session["revision"])
        assert status == 409
        assert conflict["conflict"][0]["theirs"] == "apple"
        assert label_of(server, row) == "apple"
        status, _ = server.act("teach", [row], "banana")  # having seen it
        assert status == 200
        assert label_of(server, row) == "banana"

        # Undo anything, also what is not last; redo.
        assert server.json("/api/undo", {})["event"]["label"] == "banana"
        assert label_of(server, row) == "apple"
        assert server.json("/api/redo", {})["event"]["label"] == "banana"
        assert label_of(server, row) == "banana"
        server.json("/api/undo", {"seq": server.json("/api/history")[0]["seq"]})
        assert label_of(server, row) == "apple"
        assert server.status("/api/undo", {"seq": 123456})[0] == 400

        # Confirmed in bulk, a heap named, an item set aside, a class renamed and merged.
        sure = rows["cherry"][3:30]
        assert server.act("confirm", sure, "cherry")[0] == 200
        assert server.act("confirm", rows["damson"][3:12], "damson", spread=5)[0] == 200
        status, answer = server.act("aside", rows["elder"][3:4])
        assert answer["counts"] == {"taught": 11, "confirmed": len(sure) + 4, "aside": 1, "left": answer["counts"]["left"]}
        server.json("/api/classes", {"kind": "rename", "class": "apple", "to": "red apple"})
        assert label_of(server, row) == "red apple"
        server.json("/api/classes", {"kind": "merge", "class": "banana", "to": "cherry"})
        server.json("/api/undo", {})
        assert "banana" in {one["name"] for one in server.json("/api/session")["classes"]}
        assert server.status("/api/classes", {"kind": "rename", "class": "nobody", "to": "x"})[0] == 400

        # Similar, search, heaps, map, trust.
        near = server.json(f"/api/similar?rows={rows['elder'][0]}&n=10")
        assert near[0] == rows["elder"][0]
        assert np.mean([wanted[one] == "elder" for one in near]) > 0.7
        assert server.json("/api/search?q=ITEM%2000007") == [7]
        assert isinstance(server.json("/api/heaps"), list)
        assert len(server.ask("/api/places", cookie=server.cookie)[1]) == 4 * len(truth)
        trust = server.json("/api/trust")
        assert trust["checked"]["of"] == 0
        assert trust["advice"]["stop"] is False
        queue = server.json("/api/queue?n=12")
        assert [one["audit"] for one in queue].count(True) >= 2

        # What lies beside, and an edit from outside.
        deadline = time.monotonic() + 60
        while not (out / "confirmed.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert set(pd.read_csv(out / "confirmed.csv")["label"]) == {"cherry", "damson"}
        maps = Path(f"/proc/{server.process.pid}/maps")  # what solves lives in the child: the server answers soon, and stays small
        assert not maps.exists() or not {name for name in ("torch", "pandas", "scipy") if f"/{name}/" in maps.read_text()}
        (out / "corrections-mine.csv").write_text(f"item,label\n{'item 00009'},outside\n")
        server.until(lambda now: "outside" in {one["name"] for one in now["classes"]})
        (out / "corrections-mine.csv").write_text("no table")
        trouble = server.until(lambda now: "corrections.review.csv" in now["trouble"])
        assert "corrections-mine.csv" in trouble["trouble"]
        (out / "corrections-mine.csv").unlink()

        # The solver dies: it starts again, no label is lost.
        child = next(int(one) for one in os.listdir("/proc") if one.isdigit() and _is_child(int(one), server.process.pid))  # noqa: PTH208
        os.kill(child, signal.SIGKILL)
        before = server.json("/api/session")["counts"]
        revision = server.act("teach", rows["elder"][5:6], "elder")[1]["seq"]
        server.solved(revision)
        assert server.json("/api/session")["counts"]["taught"] == before["taught"] + 1

        # Finish: what sibyl label gives with the same examples, to the bit, where nobody confirmed.
        revision = server.json("/api/session")["revision"]
        server.solved(revision)
        written = server.json("/api/finish", {"formats": ["cleanlab"]})["written"]
        assert any(path.endswith("labels.csv") for path in written)
        assert server.status("/api/finish", {"formats": ["../../x"]})[0] == 400
        told = server.json("/api/history")
        acknowledged = amid_answers(server, rows["elder"][6:26])

    _same_as_label(tmp_path, out)

    # After a kill everything is there again, and the folder knows its pile.
    with served(out) as server:
        session = server.ready()
        assert session["n"] == len(truth)
        assert session["counts"]["confirmed"] == len(sure) + 4
        history = server.json("/api/history")
        assert told[0]["seq"] in {event["seq"] for event in history}
        assert acknowledged <= {event["seq"] for event in history}
        taught = server.json("/api/items?rows=" + ",".join(map(str, rows["elder"][6:26])))
        assert sum(item["kind"] == "taught" for item in taught) >= len(acknowledged) > 0
        with pytest.raises(AssertionError, match="another sibyl review has this folder: http://127"):
            Served(str(out))
    *_, labelled, go_on = server.said.strip().splitlines()  # what the terminal says at the end
    assert f"{session['counts']['taught'] + session['counts']['confirmed']} items of {len(truth)} labelled by you" in labelled
    assert "labels.csv there is older than the last of them" in labelled
    assert go_on == f"Go on with: sibyl review {out}"
    with pytest.raises(AssertionError, match="holds the labels of"):
        np.savez(tmp_path / "other.npz", features=np.eye(4, dtype=np.float32))
        Served(str(tmp_path / "other.npz"), "--out", str(out))


def amid_answers(server: Served, rows: list[int]) -> set[int]:
    """Kill the server while it is told of one item after the other; return the numbers of what it acknowledged."""
    saw, acknowledged = server.json("/api/session")["revision"], set()
    killing = threading.Timer(0.05, server.process.kill)
    with contextlib.suppress(OSError, http.client.HTTPException):
        for place, row in enumerate(rows):
            acknowledged.add(server.act("teach", [row], "elder", saw=saw)[1]["seq"])
            if place == 2:
                killing.start()
    killing.join()
    server.kill()
    return acknowledged


def _is_child(pid: int, parent: int) -> bool:
    try:
        return f"PPid:\t{parent}\n" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _same_as_label(tmp_path: Path, out: Path) -> None:
    mine = pd.read_csv(out / "labels.csv", dtype=str, keep_default_na=False).set_index("item")
    examples = mine.loc[mine["status"] == "example", "label"]
    (tmp_path / "examples.csv").write_text("item,label\n" + "".join(f"{item},{label}\n" for item, label in examples.items()))
    aside = mine.index[mine["status"] == "skipped: set aside by a person"]
    assert len(aside) == 1
    with np.load(tmp_path / "pile.npz") as pile:
        kept = ~np.isin(pile["ids"], aside)
        np.savez(tmp_path / "kept.npz", features=pile["features"][kept], ids=pile["ids"][kept])
    sibyl.label(tmp_path / "kept.npz", tmp_path / "examples.csv", out=tmp_path / "by_hand")
    hand = pd.read_csv(tmp_path / "by_hand" / "labels.csv", dtype=str, keep_default_na=False).set_index("item")
    guessed = mine.index[mine["status"] == "labelled"]
    assert len(guessed) > 120
    assert mine.loc[guessed].equals(hand.loc[guessed])
    confirmed = mine[mine["status"] == "confirmed"]
    assert len(confirmed) > 20
    assert set(confirmed["source"]) == {"person"}


def test_from_python(tmp_path: Path) -> None:
    ten_clusters(tmp_path / "pile.npz", n=40, k=2)
    with sibyl.review(tmp_path / "pile.npz", tmp_path / "out", classes=["apple", "banana"], open_browser=False) as page:
        assert page.labels.empty
        assert page.address.startswith("http://127.0.0.1:")
        assert "Open the page" in page._repr_html_()
        server = Served.at(page.address)
        server.ready()
        server.act("teach", [3], "apple")
        server.act("aside", [5])
        labels = page.labels.set_index("item")  # while the page is open
        assert labels["kind"].to_dict() == {"item 00003": "taught", "item 00005": "aside"}
        assert labels.loc["item 00003", "label"] == "apple"
        assert labels["label"].isna().tolist() == [False, True]
    assert list(page.labels.columns) == ["item", "label", "kind", "when"]
    with pytest.raises(DataError, match="no such file"):
        sibyl.review(tmp_path / "nowhere", tmp_path / "out", open_browser=False)
