"""`sibyl label` from end to end, on images made on the spot and an encoder that sees their mean colour."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import sibyl
from sibyl.cli.app import main
from sibyl.labeling.label import label
from sibyl.methods.named import DEFAULT_METHOD
from tests.encoders.tiny_onnx import write_tiny_encoder

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """12 images of each colour, an examples.csv, an encoder, and some files that are no images."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for name, colour in COLOURS.items():
        (folder / name[0]).mkdir(parents=True)
        for number in range(12):
            pixels = np.clip(np.array(colour) + draw.normal(size=3) * 25 + draw.normal(size=(10, 12, 3)) * 20, 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name[0] / f"{number}.png")
    (folder / "truncated.png").write_bytes((folder / "r" / "3.png").read_bytes()[:200])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("no image")
    Image.new("RGB", (9, 9), COLOURS["blue"]).save(folder / "=odd 'name',\n😀.png")
    write_examples(tmp_path, [("r/0.png", "red"), ("g/0.png", "green"), ("b/0.png", "blue")])
    write_tiny_encoder(tmp_path / "encoder.onnx")
    return folder


def write_examples(folder: Path, rows: list[tuple[str, str]]) -> None:
    with (folder / "examples.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("item", "label"), *rows])


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *changes: str, out: str = "out"
) -> tuple[int, str, str]:
    arguments = {"folder": "photos", "--examples": "examples.csv", "--encoder": "encoder.onnx", "--out": out}
    arguments |= {change.partition("=")[0]: change.partition("=")[2] for change in changes if "=" in change}
    flags = [change for change in changes if "=" not in change]
    folder = arguments.pop("folder")
    pairs = [part for pair in arguments.items() for part in pair]
    monkeypatch.setattr(sys, "argv", ["sibyl", "label", folder, *pairs, *flags])
    try:
        main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("photos")
def test_every_file_gets_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(monkeypatch, capsys)
    assert code == 0, err
    table = {row["item"]: row for row in rows(tmp_path / "out" / "labels.csv")}
    assert len(table) == 3 * 12 + 4
    assert table["truncated.png"]["status"].startswith("skipped: damaged image")
    assert table["empty.jpg"]["status"] == "skipped: empty file"
    assert table["notes.txt"]["status"] == "skipped: not an image"
    assert table["r/0.png"]["status"] == "example"
    assert table["./=odd 'name',\n😀.png"]["label"] == "blue"
    labelled = {item: row for item, row in table.items() if row["status"] == "labelled"}
    assert all(row["label"][0] == item[0] for item, row in labelled.items() if "odd" not in item)
    assert all(0 <= float(row["margin"]) <= float(row["confidence"]) <= 1 for row in labelled.values())
    assert "40 files found = 34 labelled + 3 examples + 3 skipped" in out
    assert DEFAULT_METHOD in out
    assert "8 × 8 pixels" in out
    assert "ImageNet mean and deviation" in out


@pytest.mark.usefixtures("photos")
def test_json_and_the_second_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, first, _ = run(monkeypatch, capsys, "--json")
    before = (tmp_path / "out" / "labels.csv").read_bytes()
    code, second, err = run(monkeypatch, capsys, "--json")
    assert code == 0
    assert err == ""
    summary = json.loads(second)
    assert summary["found"] == summary["labelled"] + summary["examples"] + summary["skipped"] == 40
    assert json.loads(first)["cached"] == 0
    assert summary["cached"] == 37
    assert (tmp_path / "out" / "labels.csv").read_bytes() == before
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["classes"] == summary["classes"]


def test_output_and_examples_inside_the_folder_are_no_items(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples.csv").rename(photos / "examples.csv")
    for _ in range(2):
        code, _, err = run(monkeypatch, capsys, "--examples=photos/examples.csv", out="photos/out")
        assert code == 0, err
        assert len(rows(photos / "out" / "labels.csv")) == 40


def test_few_unlabelled_images_fall_back(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in photos.glob("*/*.png"):
        if path.stem not in ("0", "1"):
            path.unlink()
    _, out, _ = run(monkeypatch, capsys, "--method=anchored_means")
    assert "too few unlabelled items" in out
    assert not any(row["changed"] == "True" for row in rows(tmp_path / "out" / "labels.csv"))
    _, out, _ = run(monkeypatch, capsys, out="default")  # learns from however few there are
    assert "too few unlabelled items" not in out
    found = {row["item"]: row["label"] for row in rows(tmp_path / "default" / "labels.csv")}
    assert [found[f"{letter}/1.png"] for letter in "rgb"] == ["red", "green", "blue"]


def test_unequal_examples_and_an_unreadable_one(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [(f"r/{i}.png", "red") for i in range(5)] + [("g/0.png", "green"), ("b/0.png", "blue"), ("truncated.png", "red")]
    write_examples(tmp_path, given)
    code, out, _ = run(monkeypatch, capsys)
    assert code == 0
    assert "1 of the examples cannot be used: 'truncated.png'" in out
    statuses = [row["status"] for row in rows(tmp_path / "out" / "labels.csv")]
    assert statuses.count("example") == 7
    assert photos.is_dir()


BAD = {
    "empty folder": (["folder=void"], "it is empty"),
    "no folder": (["folder=absent"], "no such file or folder"),
    "no examples": (["--examples=absent.csv"], "absent.csv: no such file"),
    "example that does not exist": (["--examples=missing.csv"], "no item 'r/00.png'; did you mean 'r/0.png'"),
    "example with two labels": (["--examples=twice.csv"], "'r/0.png' has two labels, 'red' (row 2) and 'blue' (row 5)"),
    "example that is truncated": (["--examples=broken.csv"], "'truncated.png' is skipped (damaged image"),
    "damaged encoder": (["--encoder=damaged.onnx"], "damaged.onnx: is no ONNX model, or damaged"),
    "no encoder": (["--encoder=absent.onnx"], "absent.onnx: no such file"),
    "unknown encoder name": (["--encoder=encoder"], "unknown encoder 'encoder'; did you mean encoder.onnx"),
    "encoder of NaN": (["--encoder=nan.onnx"], "returns NaN or infinity for"),
    "unknown method": (["--method=anchored_mean"], "did you mean anchored_means"),
    "output is a file": (["--out=examples.csv"], "examples.csv: is a file"),
}


@pytest.mark.parametrize("case", list(BAD))
def test_bad_input_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    (tmp_path / "void").mkdir()
    good = [("r/0.png", "red"), ("g/0.png", "green"), ("b/0.png", "blue")]
    tables = {"missing": [("r/00.png", "red"), *good[1:]], "twice": [*good, ("r/0.png", "blue")]}
    tables["broken"] = [("truncated.png", "red"), *good[1:]]
    for name, table in tables.items():
        write_examples(tmp_path, table)
        (tmp_path / "examples.csv").rename(tmp_path / f"{name}.csv")
    write_examples(tmp_path, good)
    (tmp_path / "damaged.onnx").write_bytes((tmp_path / "encoder.onnx").read_bytes()[:50])
    write_tiny_encoder(tmp_path / "nan.onnx", scale=float("nan"))
    before = sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts)
    arguments, part = BAD[case]
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert part in err.replace("\n", " ")
    said = [line for line in err.splitlines() if not line.endswith(" …")]  # stages that had begun
    assert len(said) == 1
    assert said[0].startswith("sibyl: ")
    assert "Traceback" not in out + err
    assert sorted(path for path in tmp_path.rglob("*") if "cache" not in path.parts) == before
    assert photos.is_dir()


def test_the_same_table_from_python(tmp_path: Path, photos: Path) -> None:
    examples = {"r/0.png": "red", "g/0.png": "green", "b/0.png": "blue"}
    table = label(photos, examples, tmp_path / "encoder.onnx")
    assert isinstance(table, pd.DataFrame)
    assert not (tmp_path / "out").exists()
    again = label(str(photos), tmp_path / "examples.csv", str(tmp_path / "encoder.onnx"), tmp_path / "out")
    pd.testing.assert_frame_equal(table, again)
    assert "=odd 'name',\n😀.png" in set(table["item"])


def test_help_shows_an_example_and_does_not_load_torch() -> None:
    code = "import sys; sys.argv = ['sibyl', 'label', '--help']\nfrom sibyl.cli.app import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "sibyl label photos/ --examples examples.csv" in " ".join(run.stdout.split())


@pytest.mark.parametrize(("pile", "given"), [("photos", "--example"), ("rows.csv", "examples.csv")])
def test_a_wrong_name_is_told_before_torch_is_imported(photos: Path, tmp_path: Path, pile: str, given: str) -> None:
    names = ("r/0.png", "g/0.jpg") if pile == "photos" else ("1", "99")
    (tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{row}.5,{row % 3}\n" for row in range(20)))
    write_examples(tmp_path, [(names[0], "red"), (names[1], "green")])
    options = (
        ["--examples", given] if given == "examples.csv" else ["--example", f"red={names[0]}", "--example", f"green={names[1]}"]
    )
    code = (
        f"import sys; sys.path.insert(0, {str(Path(sibyl.__file__).parents[1])!r})\n"
        f"sys.argv = ['sibyl', 'label', {pile!r}, '--out', 'out', *{options!r}]\n"
        "from sibyl.cli.app import main\ntry: main()\nfinally: print(*{'torch', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode
    assert f"no item {names[1]!r}" in done.stderr
    assert done.stdout.split() == []


def test_the_list_of_examples_is_read_once(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sibyl.labeling import examples, pairs

    read = []

    def read_pairs(path: Path) -> pairs.Pairs:
        read.append(path)
        return pairs.read_pairs(path)

    monkeypatch.setattr(examples, "read_pairs", read_pairs)
    assert run(monkeypatch, capsys)[0] == 0
    assert len(read) == 1
