"""Output is whole or absent: what was there, a full disk, Ctrl-C and kill -9 at any moment."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sibyl.errors import DataError
from sibyl.labeling.label import label, write_export
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import Labelling, label_items
from tests.cli.bad_input.mean_colour import COLOURS, EXAMPLES, MeanColour, rows
from tests.encoders.tiny_onnx import write_tiny_encoder

FILES = {"labels.csv", "report.html", "summary.json", "run.safetensors"}


def test_an_existing_output_keeps_what_is_not_ours(tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "diary.txt").write_text("mine")
    label(photos, EXAMPLES, MeanColour(), out)
    (out / "labels.csv").write_text("old")
    label(photos, EXAMPLES, MeanColour(), out)
    assert (out / "diary.txt").read_text() == "mine"
    assert rows(out / "labels.csv")[0]["item"] == "blue/0.png"


def test_tables_in_other_formats(tmp_path: Path, photos: Path) -> None:
    table = label(photos, EXAMPLES, MeanColour(), tmp_path / "out" / "labels.parquet")
    read = pd.read_parquet(tmp_path / "out" / "labels.parquet")
    assert list(read.columns) == list(table.columns)
    for column in ("item", "label", "status", "source"):
        assert read[column].tolist() == table[column].tolist()
    assert np.allclose(read["confidence"], table["confidence"])
    label(photos, EXAMPLES, MeanColour(), tmp_path / "out" / "labels.jsonl")
    lines = (tmp_path / "out" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["item"] for line in lines] == table["item"].tolist()


def limited(photos: Path, out: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))  # no file may grow beyond 600 bytes: what a full disk does
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        label(photos, EXAMPLES, MeanColour(), out)
    except DataError as error:
        os._exit(3 if "cannot be written" in str(error) else 4)
    os._exit(0)


def test_a_disk_that_is_full_leaves_nothing_half(tmp_path: Path, photos: Path) -> None:
    run = multiprocessing.get_context("fork").Process(target=limited, args=(photos, tmp_path / "out"))
    run.start()
    run.join()
    assert run.exitcode == 3
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    label(photos, EXAMPLES, MeanColour(), tmp_path / "out")
    assert len(rows(tmp_path / "out" / "labels.csv")) == 36


def limited_export(name: str, out: Path, labelling: Labelling) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        write_export(name, out, labelling)
    except DataError as error:
        os._exit(3 if "cannot be written" in str(error) else 4)
    os._exit(0)


@pytest.mark.parametrize("name", ["cleanlab", "datasets", "fiftyone", "folders", "label-studio"])
def test_an_export_onto_a_full_disk_leaves_the_one_before(tmp_path: Path, photos: Path, name: str) -> None:
    labelling = label_items(LabelRequest(photos, EXAMPLES, MeanColour()))
    out = tmp_path / "out"
    out.mkdir()
    written = write_export(name, out, labelling)
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert before
    run = multiprocessing.get_context("fork").Process(target=limited_export, args=(name, out, labelling))
    run.start()
    run.join()
    assert run.exitcode == 3
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert list(out.iterdir()) == [written]


def slow_label(photos: Path, out: Path, cache: Path, delay: float) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background may ignore it
    try:
        label(photos, EXAMPLES, MeanColour(delay), out, cache=cache)
    except KeyboardInterrupt:
        os._exit(130)
    os._exit(0)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_stopped_at_any_moment_the_output_is_whole(tmp_path: Path, photos: Path, sent: signal.Signals) -> None:
    draw = random.Random(0)
    out = tmp_path / "out"
    wanted = label_items(LabelRequest(photos, EXAMPLES, MeanColour(), cache=tmp_path / "other cache")).table
    stopped = 0
    for number in range(8):
        # A cache for every two runs: the first has all pictures before it, each of which takes its time on any machine, the second goes on.
        cache = tmp_path / f"cache {number // 2}"
        run = multiprocessing.get_context("fork").Process(target=slow_label, args=(photos, out, cache, 0.05))
        run.start()
        run.join(draw.uniform(0.05, 0.5))
        if run.pid is not None and run.exitcode is None:
            os.kill(run.pid, sent)
        run.join(30)
        assert run.exitcode is not None
        stopped += run.exitcode != 0
        if out.exists():  # each file is whole, whatever else is missing
            whole = [path for path in out.iterdir() if not path.name.startswith(".")]
            assert {path.name for path in whole} <= FILES
            if (out / "labels.csv").exists():  # written last
                assert {path.name for path in whole} == FILES
                assert len(rows(out / "labels.csv")) == 36
            if (out / "summary.json").exists():
                json.loads((out / "summary.json").read_text(encoding="utf-8"))
            if (out / "report.html").exists():
                assert (out / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert stopped
    pd.testing.assert_frame_equal(label(photos, EXAMPLES, MeanColour(), out), wanted)
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == FILES


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_the_command_itself_is_stopped(tmp_path: Path, photos: Path, sent: signal.Signals) -> None:
    """As a person does it: a process of its own, stopped while it starts, reads, encodes or writes."""
    write_tiny_encoder(tmp_path / "encoder.onnx")
    named = [part for name in COLOURS for part in ("--example", f"{name}={name}/0.png")]
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from sibyl.cli.app import main; main()"
    draw = random.Random(1)
    for number in range(2):
        out = tmp_path / f"out {number}"
        command = [
            sys.executable,
            "-c",
            code,
            "label",
            str(photos),
            *named,
            "--encoder",
            str(tmp_path / "encoder.onnx"),
            "--out",
            str(out),
        ]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(draw.uniform(0.8, 3.0))
        run.send_signal(sent)
        _, said = run.communicate(timeout=60)
        # Python itself drops an interrupt that meets one of its own callbacks, and says so: the run goes on to its end.
        dropped = run.returncode == 0 and "Exception ignored" in said
        assert "Traceback" not in said or dropped
        assert run.returncode in ({-signal.SIGKILL, 0} if sent == signal.SIGKILL else {130, 0})
        names = {path.name for path in out.iterdir() if not path.name.startswith(".")} if out.exists() else set()
        assert names <= FILES
        assert "labels.csv" not in names or (names == FILES and len(rows(out / "labels.csv")) == 36)
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert again.returncode == 0, again.stderr
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == FILES
