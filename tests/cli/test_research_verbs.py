"""pretrain, embed, meta-train, evaluate: from class folders to figures, and every mistake answered with one sentence and exit code 2."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sibyl.backbones.checkpoint import load_backbone
from sibyl.cli.app import main
from sibyl.features import Features
from tests.synthetic import clusters


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def sibyl(*words: object) -> Done:
    """Run the command line in this process: torch is imported once."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["sibyl", *map(str, words)])
        patch.setenv("COLUMNS", "300")
        try:
            main()
        except SystemExit as left:
            code = left.code
    return Done(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


def save(folder: Path, name: str, features: Features) -> Path:
    features.save(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("features")
    train, held_out = clusters(12, 40, spread=1.3, seed=1), clusters(8, 40, spread=1.3, seed=2)
    held_out = replace(held_out, class_names=tuple(f"held out {c}" for c in range(8)))
    return save(folder, "train", train), save(folder, "val", held_out)


@pytest.fixture(scope="module")
def trained(splits: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train, held_out = splits
    done = sibyl(
        "meta-train", train, "--validation", held_out, "--out", out, "--iterations", 100, "--episodes", 4, "--validate-every", 50,
        "--validation-episodes", 50, "--normalisation", "episode", "--optimizer", "adamw", "--rate", 0.01, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["validation"]["gain"] > 0.03
    return out


def test_a_protocol_by_name_settles_what_is_measured(splits: tuple[Path, Path], tmp_path: Path) -> None:
    train, held_out = splits
    done = sibyl("evaluate", held_out, "--protocol", "sib", "--way", 5, "--json")
    told = json.loads(done.stdout)
    assert (told["protocol"], told["way"], told["query"], told["mix"], told["seed"]) == ("sib", 5, 15, "balanced", 2020)
    assert told["episodes"] == 2000
    done = sibyl(
        "meta-train", train, "--validation", held_out, "--out", tmp_path / "o", "--protocol", "sib", "--iterations", 4, "--json"
    )  # fmt: skip
    assert json.loads(done.stdout)["validation"]["episodes"] == 200
    for words, sentence in (
        (("evaluate", held_out, "--way", 3), "--way 3 was given, but protocol sib says 5; leave out --way, or --protocol sib"),
        (("evaluate", held_out, "--seed", 0), "--seed 0 was given, but protocol sib says 2020"),
        (("evaluate", held_out, "--told-balanced"), "--told-balanced was given, but protocol sib says not"),
        (("meta-train", train, "--validation", held_out, "--out", tmp_path / "n", "--validation-episodes", 500), "sib says 200"),
    ):
        refused = sibyl(*words, "--protocol", "sib")
        assert refused.returncode == 2
        assert sentence in " ".join(refused.stderr.split())
    assert not (tmp_path / "n").exists()
    refused = sibyl("evaluate", held_out, "--protocol", "sbi")
    assert refused.returncode == 2
    assert "did you mean sib?" in refused.stderr


def test_evaluate_a_checkpoint_and_a_name(splits: tuple[Path, Path], trained: Path, tmp_path: Path) -> None:
    for method in (trained / "last.safetensors", trained / "best.safetensors", "class_mean"):
        done = sibyl("evaluate", splits[1], "--method", method, "--episodes", 40, "--save", tmp_path / "per_episode.npz", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["episodes"] == 40
        with np.load(tmp_path / "per_episode.npz") as file:
            assert len(file["accuracy"]) == 40


def test_several_seeds_and_a_device_by_name(splits: tuple[Path, Path], tmp_path: Path) -> None:
    train, held_out = splits
    words = ("meta-train", train, "--validation", held_out, "--iterations", 4, "--validate-every", 2, "--validation-episodes", 4)
    done = sibyl(*words, "--out", tmp_path / "runs", "--seed", 3, "--seeds", 2, "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [run["seed"] for run in told["runs"]] == [3, 4]
    scores = [run["validation"]["accuracy"] for run in told["runs"]]
    assert told["validation"]["accuracy"] == pytest.approx(np.mean(scores))
    lines = (tmp_path / "runs" / "seed-4" / "progress.csv").read_text().splitlines()
    assert lines[0].startswith("iteration,loss,")
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "4"]
    alone = sibyl(*words, "--out", tmp_path / "alone", "--seed", 4, "--json")
    assert json.loads(alone.stdout)["validation"]["accuracy"] == scores[1]
    assert sibyl("evaluate", held_out, "--method", told["runs"][0]["last"], "--episodes", 4, "--device", "cpu").returncode == 0


@pytest.mark.parametrize(("name", "said"), [("tpu", "takes cpu or cuda"), ("cuda:99", "torch cannot compute there")])
def test_a_device_that_is_not_there(splits: tuple[Path, Path], tmp_path: Path, name: str, said: str) -> None:
    train, held_out = splits
    for words in (
        ("evaluate", held_out),
        ("compare", held_out, "--methods", "class_mean", "--out", tmp_path / "c"),
        ("meta-train", train, "--validation", held_out, "--out", tmp_path / "m"),
        ("pretrain", tmp_path, "--out", tmp_path / "p"),
    ):
        refused = sibyl(*words, "--device", name)
        assert refused.returncode == 2
        assert said in " ".join(refused.stderr.split())
    assert not list(tmp_path.iterdir())


def test_the_table_is_for_people(splits: tuple[Path, Path]) -> None:
    done = sibyl("evaluate", splits[1], "--episodes", 10, "--mix", "dirichlet:1", "--outliers", 0.2)
    assert "accuracy" in done.stdout
    assert "outlier AUROC" in done.stdout


def test_from_class_folders_to_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, classes in (("train", "abcdef"), ("val", "ghijk")):
        for index, name in enumerate(classes):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for number in range(24):
                pixels = rng.normal(60 + 25 * index, 20, (32, 32, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIBYL_CACHE", str(tmp_path / "cache"))
        done = sibyl(
            "pretrain", tmp_path / "data", "--epochs", 1, "--episodes", 10, "--out", tmp_path / "net", "--device", "cpu",
            "--precision", "float32", "--json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        card = load_backbone(tmp_path / "net" / "backbone.safetensors").card
        assert card["training"]["recipe"]["precision"] == "float32"  # the recipe's own is bfloat16
        words = ("--encoder", tmp_path / "net" / "backbone.safetensors", "--views", 2, "--out", tmp_path / "f")
        done = sibyl("embed", tmp_path / "data" / "val", *words)
        assert done.returncode == 0, done.stderr
    features = Features.load(tmp_path / "f")
    assert features.class_names == tuple("ghijk")
    assert features.views is not None
    assert features.views.shape == (120, 2, 256)


def test_mistakes_end_with_one_sentence(splits: tuple[Path, Path], trained: Path, tmp_path: Path) -> None:
    train, held_out = splits
    wide = save(tmp_path, "wide", clusters(8, 40, dim=20))
    broken = clusters(8, 40)
    broken.matrix[7, 3] = np.inf
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((trained / "last.safetensors").read_bytes()[:100])
    pile = tmp_path / "pile"
    pile.mkdir()
    Image.new("RGB", (8, 8)).save(pile / "one.png")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("evaluate", tmp_path / "none"), "none"),
        (("evaluate", held_out, "--method", "class_meen"), "did you mean class_mean"),
        (("evaluate", held_out, "--method", "sib"), "must be meta-trained first"),
        (("evaluate", wide, "--method", trained / "last.safetensors"), "made for 16 feature columns, the task has 20"),
        (("evaluate", held_out, "--method", trained / "last.safetensors", "--way", 4), "made for 5 classes, the task has 4"),
        (("evaluate", held_out, "--method", damaged), "damaged.safetensors"),
        (("evaluate", held_out, "--query", 50), "an episode needs 51"),
        (("evaluate", held_out, "--mix", "skewed"), "class mix 'skewed' is unknown"),
        (("evaluate", save(tmp_path, "broken", broken)), "row 7 (7)"),
        (("meta-train", train, "--validation", train, "--out", tmp_path / "o"), "share 12 classes"),
        (("meta-train", train, "--validation", held_out, "--out", tmp_path / "o", "--method", "tim"), "no parameters to train"),
        (("meta-train", train, "--validation", held_out, "--out", tmp_path / "o", "--reduction", "median"), "did you mean mean?"),
        (("embed", pile, "--encoder", tmp_path / "no.safetensors", "--out", tmp_path / "o"), "no such file"),
        (("embed", pile, "--encoder", trained / "last.safetensors", "--out", tmp_path / "o"), "expected a trained backbone"),
        (("pretrain", "cifar-sf", "--out", tmp_path / "o"), "cifar-fs"),
        (("pretrain", "cifar-fs", "--precision", "float16", "--out", tmp_path / "o"), "unknown precision 'float16'"),
    ]
    for words, sentence in cases:
        done = sibyl(*words)
        told = " ".join(done.stderr.split())
        assert done.returncode == 2, (words, told)
        assert sentence in told, (words, told)
        assert "Traceback" not in done.stderr, words
        assert not (tmp_path / "o").exists(), words
