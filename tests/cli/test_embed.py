"""`sibyl embed` on texts, audio, tables, datasets and class folders, with encoders that need no weights; `sibyl encoders`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sibyl.features import Features
from tests.cli.test_research_verbs import sibyl
from tests.real_data import DATA, needs_data


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))


def test_texts_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "what,intent\nturn on the light,light\nlight off please,light\nrain tomorrow,weather\n,weather\nhello you,\n"
    )
    words = ("embed", tmp_path / "t.csv", "--column", "what", "--label-column", "intent", "--out", tmp_path / "out")
    done = sibyl(*words, "--encoder", "tfidf", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 4
    assert "skipped 4: empty text" in done.stderr
    features = Features.load(tmp_path / "out")
    assert features.class_names == ("light", "weather")
    assert features.labels.tolist() == [0, 0, 1, -1]
    assert features.provenance["encoder"]["name"] == "tfidf"


def test_a_table_of_values_needs_no_encoder(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,x\n3,9,y\n4,4,x\n")
    done = sibyl("embed", tmp_path / "t.csv", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert Features.load(tmp_path / "out").matrix.shape == (3, 2)
    done = sibyl("embed", tmp_path / "t.csv", "--out", tmp_path / "out", "--encoder", "tfidf")
    assert done.returncode == 2
    assert "holds rows of numbers, which need no encoder" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine", "spark"), "unknown engine 'spark'"),
        (("--workers", "2"), "are for --engine ray"),
        (("--engine", "ray", "--mirror"), "--mirror is for --engine local"),
    ],
)
def test_engines_that_do_not_fit_are_refused(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = sibyl("embed", tmp_path, "--out", tmp_path / "out", *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_audio_clips_in_class_folders(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="SOUNDFILE ABSENT: install the extra 'audio'")
    for number, kind in enumerate(("low", "low", "high")):
        (tmp_path / "clips" / kind).mkdir(parents=True, exist_ok=True)
        tone = 0.4 * np.sin(np.arange(8000) * (0.1 if kind == "low" else 0.9))
        soundfile.write(tmp_path / "clips" / kind / f"{number}.wav", tone, 16_000)
    (tmp_path / "clips" / "broken.wav").write_bytes(b"RIFF")
    done = sibyl("embed", tmp_path / "clips", "--encoder", "log-mel", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "skipped broken.wav: damaged" in done.stderr
    features = Features.load(tmp_path / "out")
    assert features.class_names == ("high", "low")
    assert features.ids == ("high/2.wav", "low/0.wav", "low/1.wav")


def test_images_of_folders_and_datasets(tmp_path: Path) -> None:
    for kind in ("red", "blue"):
        (tmp_path / "images" / kind).mkdir(parents=True)
        Image.new("RGB", (40, 40), kind).save(tmp_path / "images" / kind / "1.png")
    done = sibyl("embed", tmp_path / "images", "--encoder", "conv4-cifar-fs", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert Features.load(tmp_path / "out").class_names == ("blue", "red")
    done = sibyl("embed", "digits", "--encoder", "conv4-cifar-fs", "--out", tmp_path / "digits", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 1797
    digits = Features.load(tmp_path / "digits")
    assert len(digits.class_names) == 10
    assert len(np.unique(digits.matrix, axis=0)) > 1700


@needs_data
def test_clinc150_with_the_encoder_that_needs_no_weights(tmp_path: Path) -> None:
    done = sibyl(
        "embed", "clinc150", "--split", "validation", "--root", DATA / "text", "--encoder", "tfidf", "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    features = Features.load(tmp_path / "out")
    assert features.matrix.shape == (4500, 64)
    assert len(features.class_names) == 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("clinc150", "--encoder", "log-mel", "--root", "nowhere"), "no CLINC150 there"),
        (("nothing", "--encoder", "tfidf"), "unknown dataset"),
        (("here.csv", "--column", "txt"), "did you mean 'text'"),
        (("here.csv", "--encoder", "log-mel"), "log-mel reads modality audio, but the items are text"),
        (("here.csv", "--encoder", "tfidf", "--views", "2"), "leave out --views"),
        (("here.csv", "--encoder", "transformers:", "--column", "text"), "name a model after the colon"),
    ],
)
def test_mistakes_end_with_one_sentence(words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.csv").write_text("text,n\nhello there you,1\nanother text here,2\n")
    done = sibyl("embed", *words, "--out", "out")
    assert done.returncode == 2
    assert said in done.stderr
    assert not Path("out").exists()


def test_encoders_are_listed_with_what_they_need() -> None:
    done = sibyl("encoders")
    assert done.returncode == 0
    for name in ("transformers:facebook/dinov2-small", "conv4-cifar-fs", "tfidf", "log-mel"):
        assert name in done.stdout
    rows = json.loads(sibyl("encoders", "text", "--json").stdout)["encoders"]
    assert {row["modality"] for row in rows} == {"text"}
    assert sum(row["default"] for row in rows) == 1
    assert all(row["ready"] != bool(row["needs"]) for row in rows)
    assert sibyl("encoders", "smell").returncode == 2
