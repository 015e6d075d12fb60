"""The standing comparison: shorter runs of its cells, and what the page of figures says of its record."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from sibyl.compare.protocols import grid, standing
from sibyl.features import Features

compare, compare_figures = (importlib.import_module(name) for name in ("compare", "compare_figures"))


def test_a_shorter_run_has_fewer_episodes_in_proportion() -> None:
    cells = standing(["cifar-fs", "omniglot"])
    parts = compare.shortened(cells, 100, {"alpha_am": 20})
    assert [({cell.way for cell in part}, {cell.episodes for cell in part}, fewer) for part, fewer in parts] == [
        ({5}, {100}, {"alpha_am": 20}),
        ({20}, {20}, {"alpha_am": 4}),
    ]
    whole = compare.shortened(cells, None, {})
    assert sorted(map(repr, cells)) == sorted(repr(cell) for part, _ in whole for cell in part)
    few = compare.shortened(cells, 2, {"alpha_am": 1})
    assert [(part[0].episodes, fewer) for part, fewer in few] == [(2, {"alpha_am": 1}), (1, {"alpha_am": 1})]


def test_cells_are_hardly_skewed_where_classes_hold_too_few_items() -> None:
    cells = grid(["drawings", "photographs"], shots=(1, 5), mixes=("balanced", "dirichlet:0.5"))
    data = {"drawings": classes_of(20), "photographs": classes_of(55)}
    assert compare.hardly_skewed(cells, data) == [f"drawings: 5-way, {shot}-shot, dirichlet:0.5" for shot in (1, 5)]


def classes_of(n_items: int) -> Features:
    labels = np.repeat(np.arange(6), n_items)
    return Features(np.zeros((len(labels), 2), np.float32), labels, tuple("abcdef"))


def row(method: str, accuracy: float, settings: str = "published") -> dict[str, Any]:
    return {"method": method, "accuracy": accuracy, "settings": settings}


def cell(features: str, ours: float, rival: float, mix: str = "balanced", **more: Any) -> dict[str, Any]:
    rows = [row("universal_sib", ours, "shipped"), row("pt_map", rival), row("alpha_am", 0.99), *more.pop("rows", [])]
    return {"features": features, "mix": mix, "way": 5, "outlier_share": 0.0, "rows": rows} | more


def test_what_the_page_of_figures_says_of_a_record() -> None:
    learned = [row("sib", 0.85, "meta-trained, still improving"), row("tpn", 0.60, "meta-trained")]
    failed = [{"method": "sib", "settings": "published", "failure": "must be meta-trained first"}]
    record: dict[str, Any] = {
        "arguments": {"slow": {"alpha_am": 20}, "beside": {}, "hardly_skewed": ["d: 5-way, 1-shot, dirichlet:2"]},
        "cells": [
            cell("a", 0.80, 0.75, rows=learned),
            cell("b", 0.70, 0.72, rows=failed),
            cell("c", 0.75, 0.75),
            cell("a", 0.10, 0.99, way=20),
            *(cell(name, 0.80, 0.50, "dirichlet:2") for name in "abc"),
            cell("d", 0.10, 0.99, "dirichlet:2"),  # hardly skewed
            *(cell(name, 0.80, 0.60, outlier_share=0.25) for name in "ab"),  # too few sets
        ],
    }
    for one in record["cells"]:
        if one["mix"] == "dirichlet:2" and one["features"] == "a":
            one["rows"] += [row("sib", 0.40, "meta-trained")]
    text = compare_figures.text(record)
    prose = " ".join(text.split())
    assert "| balanced, no prior | 75.0 | PT-MAP 74.0 | +1.0 ± " in text
    assert "| -1.0 | 0 | 1 of 3 |" in text
    assert "| Dirichlet 2 | **80.0** | PT-MAP 50.0 | +30.0 ± 0.0 | +30.0 | 0 | 3 of 3 |" in text
    assert "outliers |" not in text
    assert "published SIB 85.0 beside our 80.0 (balanced, no prior), published SIB 40.0 beside our 80.0 (Dirichlet 2)." in prose
    assert "33 % of their figures" in prose
