"""README and docs/figures.md tell the truth: snippets run, commands exist, figures are those of the results."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student
from typer.testing import CliRunner

from sibyl.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIGURES = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("snippet", blocks("python"))
def test_python_snippets_run_as_they_stand(snippet: str) -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", snippet], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def commands() -> list[str]:
    return [line.removeprefix("$ ").split("#")[0].strip() for block in blocks("console") for line in block.splitlines()]


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("make ")])
def test_make_targets_exist(command: str) -> None:
    assert re.search(rf"^{command.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("sibyl ")])
def test_verbs_and_options_exist(command: str) -> None:
    words = command.split()
    helped = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "400", "TERM": "dumb"})
    assert helped.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in helped.output, option


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


@pytest.mark.slow
def test_the_demo_reaches_its_figures(tmp_path: Path) -> None:
    """`make demo` in full: training of seconds turns another order of sums, on one thread, into a point or so, not more."""
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "summary.json").read_text())
    told = re.search(r"digits, 20 draws \| ([\d.]+) ± [\d.]+ % \| ([\d.]+) ± [\d.]+ %", FIGURES)
    assert told is not None
    assert 100 * summary["inductive"] == pytest.approx(float(told[1]), abs=2.0)
    assert 100 * summary["transductive"] == pytest.approx(float(told[2]), abs=2.0)
    assert summary["gain"] > summary["gain_interval"]
    shipped = re.search(r"as it ships, on the same draws \| – \| ([\d.]+) ±", FIGURES)
    assert shipped is not None
    assert 100 * summary["universal"] == pytest.approx(float(shipped[1]), abs=1.0)
    for picture in ("changes.png", "inference.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_the_figure_of_the_demo_beside_the_example_is_that_of_the_run() -> None:
    record = json.loads((ROOT / "results" / "demo.json").read_text())
    assert f"make demo: {100 * record['universal']:.1f} %, mean of {record['draws']}" in README


def test_the_cifar_fs_figures_are_those_of_the_run() -> None:
    table = json.loads((ROOT / "results" / "cifar_fs_conv4.json").read_text())["table"]
    for row, shot in ((r"published SIB \(K = 3\)[^|]*", "1"), ("the same, 5-shot[^|]*", "5")):
        told = re.search(row + r"\| ([\d.]+) ± ([\d.]+) % \| ([\d.]+) ± ([\d.]+) %", FIGURES)
        assert told is not None
        entries = [table[f"as published, K={steps}"][shot] for steps in (0, 3)]
        assert [f"{100 * entry[key]:.2f}" for entry in entries for key in ("accuracy", "interval")] == list(told.groups())


def test_the_resnet12_figures_are_those_of_the_run() -> None:
    record = json.loads((ROOT / "results" / "cifar_fs_resnet12.json").read_text())
    table = record["table"]
    told = re.findall(r"\| ([\d.]+) ± ([\d.]+) % \| ([\d.]+) ± ([\d.]+) % \| \[the page's command\]", FIGURES)
    for said, shot in zip(told, ("1", "5"), strict=True):
        entries = [table[f"as published, K={steps}"][shot] for steps in (0, 3)]
        assert [f"{100 * entry[key]:.2f}" for entry in entries for key in ("accuracy", "interval")] == list(said)
    best = max(table[name]["1"]["accuracy"] for name in (*record["learned"]["inductive"], "logistic_regression", "simple_shot"))
    best = max(best, record["best_inductive"]["1"])
    gains = [f"{100 * (table[f'as published, K={steps}']['1']['accuracy'] / best - 1):.1f}" for steps in (1, 3, 5)]
    assert f"is {gains[0]}, {gains[1]} and {gains[2]} % (relative) above the best inductive" in " ".join(FIGURES.split())
    for name, words in (("pt_map", r"PT-MAP \(([\d.]+) and ([\d.]+) % with ResNet-12"), ("tim", r"TIM \(([\d.]+), ([\d.]+)\)")):
        found = re.search(words, " ".join(FIGURES.split()))
        assert found is not None
        assert list(found.groups()) == [f"{100 * table[name][shot]['accuracy']:.2f}" for shot in ("1", "5")]


def test_the_best_cifar_fs_figures_are_those_of_the_run() -> None:
    table = json.loads((ROOT / "results" / "cifar_fs_best.json").read_text())["tables"]["plain"]
    told = re.findall(r"\| ([\d.]+ ± [\d.]+) % \| ([\d.]+ ± [\d.]+) % \| `runs/cifar_fs_best.sh`", FIGURES)
    for (alone, together), shot in zip(told, ("1", "5"), strict=True):
        said = {
            name: f"{100 * entries[shot]['accuracy']:.2f} ± {100 * entries[shot]['interval']:.2f}"
            for name, entries in table.items()
        }
        rivals = {"tim", "pt_map", "ilpc", "proto_lp", "bms"}
        inductive = [name for name in said if name.removesuffix(", power transform") not in rivals and "SIB" not in name]
        assert alone == said[max(inductive, key=lambda name: table[name][shot]["accuracy"])]
        assert together == said["SIB, K=5"]  # not with the power transform, which the inductive methods were not given


def test_the_photographs_figures_are_those_of_the_run() -> None:
    result = json.loads((ROOT / "results" / "label_photos.json").read_text())
    told = re.search(r"SqueezeNet features, 20 draws \| ([\d.]+) ± ([\d.]+) % \| ([\d.]+) ± ([\d.]+) %", FIGURES)
    assert told is not None
    for group, name in ((1, "inductive"), (3, "transductive")):
        values = [100 * draw[name] for draw in result["draws"]]
        assert f"{sum(values) / len(values):.2f}" == told[group]


def test_the_label_job_s_figures_are_those_of_the_run() -> None:
    text = (ROOT / "results" / "label.md").read_text(encoding="utf-8")
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ") and "±" in line]
    measured = {f"{words[2]} % | {words[3]} %" for words in lines}
    told = re.findall(r"\| ([\d.]+ ± [\d.]+ % \| [\d.]+ ± [\d.]+ %) \| `(?:runs/label.sh|python runs/label_photos.py)`", FIGURES)
    assert len(told) == 4
    assert set(told) <= measured


def test_the_encoders_figures_are_those_of_the_run() -> None:
    measured = json.loads((ROOT / "results" / "encoders.json").read_text())["encoders"]
    told = re.findall(r"\| ([\d,]+) [^|]* \| `([\w-]+)` \| ([\d.]+ ± [\d.]+) % \| ([\d.]+ ± [\d.]+) %", README)
    assert len(told) == 3
    for items, name, *said in told:
        draws = measured[name]["draws"]
        for key, text in zip(("alone", "together"), said, strict=True):
            values = np.array([100 * draw[key] for draw in draws])
            half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
            digits = 2 if 99.95 <= values.mean() < 100 else 1  # what is not all is not shown as all
            assert f"{values.mean():.{digits}f} ± {half:.{digits}f}" == text
        assert f"{measured[name]['items']:,}" == items
    default = measured["efficientnet-lite2"]["draws"]
    claimed, right = (100 * np.mean([draw[key] for draw in default]) for key in ("confidence", "together"))
    assert f"mean confidence {claimed:.1f} %, right {right:.1f} %" in " ".join(FIGURES.split())
    shown = json.loads((ROOT / "src" / "sibyl" / "encoders" / "measured.json").read_text())
    assert set(shown) == set(measured)


def test_the_readme_is_short() -> None:
    lines = README.splitlines()
    assert len(lines) <= 90
    assert max(map(len, lines)) <= 104


def test_what_the_network_had_met_is_said_beside_the_label_job_s_figures() -> None:
    sets = json.loads((ROOT / "results" / "label.json").read_text())["sets"]
    assert all("read before" in sets[key]["met"] for key in ("wine", "breast_cancer"))
    assert "chosen on other words" in sets["spoken"]["met"]
    assert "chosen on ten other words" in " ".join(FIGURES.split())
    assert "120 other intents" in " ".join(README.split())
    assert "150 intents" not in README + FIGURES  # 120 of them trained or chose the network
    card = (ROOT / "src" / "sibyl" / "weights" / "methods" / "universal_sib.md").read_text(encoding="utf-8")
    for data in ("clinc150", "squeezenet", "cifar", "omniglot"):
        assert data in card


def test_the_piles_figures_are_those_of_the_run() -> None:
    record = json.loads((ROOT / "results" / "piles.json").read_text())
    names = {
        "CIFAR-FS test, SqueezeNet": "cifar-fs-squeezenet", "CIFAR-FS test, Conv-4": "cifar-fs-conv4", "digits, pixels": "digits-pixels",
        "CLINC150 test intents, MiniLM": "clinc150-minilm", "photographs, SqueezeNet": "photos-squeezenet", "Omniglot evaluation, pixels": "omniglot-pixels",
    }  # fmt: skip
    shown = ("class_mean", "label_spreading", "anchored_means", "pt_map", "tim", "universal_sib")
    first = []
    for words, name in names.items():
        told = re.search(rf"\| {words} \| \d+ \| (.*) \|", FIGURES)
        assert told is not None
        draws = record[name]["draws"]
        mean = {
            key: 100 * sum(draw[key]["accuracy"] for draw in draws) / len(draws)
            for key in draws[0]
            if "sib alone" not in key and isinstance(draws[0][key], dict)
        }
        assert [text.strip("*") for text in told[1].split(" | ")[:-1]] == [f"{mean[key]:.1f}" for key in shown]
        first.append(max(mean, key=lambda key: mean[key]))
        assert f"**{max(mean.values()):.1f}**" in told[1]
    assert first.count("universal_sib") == 6  # the page says: on all six, of eight methods
    assert "first of the eight methods" in " ".join(FIGURES.split())
    assert len(mean) == 8


def test_what_is_said_of_unequal_items_is_that_of_the_runs() -> None:
    cells = json.loads((ROOT / "results" / "evidence.json").read_text())["cells"]
    words = " ".join(FIGURES.split())
    told = re.search(r"fifteen counted items ([−+.\d]+), ([−+.\d]+) and ([−+.\d]+) points", words)
    assert told is not None
    for text, name in zip(told.groups(), ("CLINC150", "photographs", "digits"), strict=True):
        cell = cells[f"mix/{name}/Dirichlet 1.0"]
        gain = 100 * (np.mean(cell["15 counted"]) - np.mean(cell["nothing"]))
        assert f"{gain:+.1f}".replace("-", "−") == text


def test_claims_on_confidence_are_those_of_the_run() -> None:
    sets = json.loads((ROOT / "results" / "label.json").read_text())["sets"]
    claims = re.findall(r"(\d+) % claimed and (\d+) % right on ([^,;.]+)", " ".join(FIGURES.split()))
    names = {
        "photographs": "photos", "a breast cancer table": "breast_cancer", "intents of CLINC150 by tf-idf": "clinc150_tfidf",
        "the same by MiniLM": "clinc150",
    }  # fmt: skip
    assert {name for _, _, name in claims} == set(names)
    for claimed, right, name in claims:
        draws = sets[names[name]]["draws"]
        assert int(claimed) == round(100 * sum(draw["confidence"] for draw in draws) / len(draws))
        assert int(right) == round(100 * sum(draw["transductive"] for draw in draws) / len(draws))
