"""No command removes what Sibyl did not write, whatever it is told to write to."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from sibyl.cli.app import app
from sibyl.errors import DataError
from sibyl.export.formats import FORMATS
from sibyl.labeling.label import label
from tests.cli.bad_input.mean_colour import EXAMPLES, MeanColour
from tests.test_folders import snapshot


def embed(source: Path, out: Path | str) -> str:
    done = CliRunner().invoke(app, ["embed", str(source), "--encoder", "conv4-cifar-fs", "--out", str(out)])
    return str(done.exception or "")


def test_embed_replaces_features_alone(tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "corrections.csv").write_text("item,label\na,b\n")
    (tmp_path / "link").symlink_to(photos)
    monkeypatch.chdir(photos)
    before = snapshot(tmp_path)
    for out in (photos, tmp_path, tmp_path / "out", tmp_path / "link", ".", "..", photos / "red", photos / "red" / "0.png"):
        said = embed(photos, out)
        assert "stays as it is" in said or "take the place of" in said, (out, said)
        assert snapshot(tmp_path) == before
    for _ in range(2):
        assert not embed(photos, tmp_path / "features")
    (tmp_path / "features" / "notes.txt").write_text("mine")
    assert "did not write ('notes.txt')" in embed(photos, tmp_path / "features")
    (tmp_path / "features" / "notes.txt").unlink()
    assert "take the place of" in embed(tmp_path / "features" / "matrix.npy", tmp_path / "features")


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_export_replaces_an_export_alone(tmp_path: Path, photos: Path, name: str) -> None:
    out = tmp_path / "project"
    (out / name).mkdir(parents=True)
    (out / name / "thesis.tex").write_text("mine")
    with pytest.raises(DataError, match=r"'thesis\.tex'"):
        label(photos, EXAMPLES, MeanColour(), out, export=[name])
    assert list(out.iterdir()) == [out / name]  # told before the work
    (out / name / "thesis.tex").unlink()
    for _ in range(2):
        label(photos, EXAMPLES, MeanColour(), out, export=[name])
    (out / name / "thesis.tex").write_text("mine")
    with pytest.raises(DataError, match=r"'thesis\.tex'"):
        label(photos, EXAMPLES, MeanColour(), out, export=[name])
    assert (out / name / "thesis.tex").read_text() == "mine"


def test_labels_of_another_pile_are_not_replaced(tmp_path: Path, photos: Path) -> None:
    label(photos, EXAMPLES, MeanColour(), tmp_path / "out")
    before = snapshot(tmp_path / "out")
    other = tmp_path / "other.csv"
    other.write_text("a,b,label\n1,2,x\n5,6,y\n" + "".join(f"{i % 7},{i % 5},\n" for i in range(20)))
    with pytest.raises(DataError, match=r"out: holds the labels of .* and .*other\.csv is another pile; choose another --out"):
        label(other, out=tmp_path / "out")
    assert snapshot(tmp_path / "out") == before
    label(photos, EXAMPLES, MeanColour(), tmp_path / "out")
    photos.rename(tmp_path / "moved")  # a pile that has moved may be the same one
    label(tmp_path / "moved", EXAMPLES, MeanColour(), tmp_path / "out")


@pytest.mark.parametrize("name", ["folders", "links"])
def test_an_export_never_takes_the_place_of_its_items(tmp_path: Path, photos: Path, name: str) -> None:
    (tmp_path / "data").mkdir()
    photos = photos.rename(tmp_path / "data" / name)
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match="take the place of what is read"):
        label(photos, EXAMPLES, MeanColour(), tmp_path / "data", export=[name])
    assert snapshot(tmp_path) == before
    label(photos, EXAMPLES, MeanColour(), tmp_path / "out", export=[name])
    # A folder that Sibyl wrote is left out of a pile; links to the files in it are items like any other.
    exported = tmp_path / "out" / name
    (tmp_path / "out" / "summary.json").unlink()  # which says that the labels there are of another pile, and would be refused first
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "pile").symlink_to(exported)
    before = snapshot(exported)
    with pytest.raises(DataError, match="expected a folder with images"):
        label(tmp_path / "again", EXAMPLES, MeanColour(), tmp_path / "out", export=[name])
    examples = {}
    for file in exported.glob("*/*.png"):
        (tmp_path / "again" / f"{file.parent.name}-{file.name}").symlink_to(file)
        examples[f"{file.parent.name}-{file.name}"] = file.parent.name
    given = {item: colour for item, colour in examples.items() if item.endswith("-0.png")} or dict(list(examples.items())[::9])
    if name == "links":
        label(tmp_path / "again", given, MeanColour(), tmp_path / "out", export=[name])
        assert sum(path.is_file() for path in exported.glob("*/*.png")) == len(examples)
        return
    with pytest.raises(DataError, match="lies in it"):
        label(tmp_path / "again", given, MeanColour(), tmp_path / "out", export=[name])
    assert snapshot(exported) == before


def test_the_main_outputs_replace_an_earlier_run_alone(tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    table = tmp_path / "q" / "labels.csv"
    table.write_text(
        "id,width,label\n" + "\n".join(f"r{i},{i % 3 + i / 100},{'abc'[i] if i < 3 else ''}" for i in range(30)) + "\n"
    )
    before = snapshot(tmp_path)
    with pytest.raises(DataError, match="is read by this run"):
        label(table, out=tmp_path / "q")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("MINE")
    with pytest.raises(DataError, match="was not written by sibyl label"):
        label(table, out=tmp_path / "mine")
    assert (tmp_path / "mine" / "report.html").read_text() == "MINE"
    assert {name: value for name, value in snapshot(tmp_path).items() if "mine" not in name} == before
    for _ in range(2):
        label(table, out=tmp_path / "out")
