"""The standing comparison: shorter runs of its cells, and what the page of figures says of its record."""

from __future__ import annotations

import importlib
from typing import Any

from sibyl.compare.protocols import standing

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


def row(method: str, accuracy: float, settings: str = "published") -> dict[str, Any]:
    return {"method": method, "accuracy": accuracy, "settings": settings}


def cell(
    features: str, rows: list[dict[str, Any]], way: int = 5, outlier_share: float = 0.0, mix: str = "balanced"
) -> dict[str, Any]:
    return {"features": features, "mix": mix, "way": way, "shot": 1, "outlier_share": outlier_share, "rows": rows}


def test_wide_cells_and_slow_methods_do_not_count_and_outliers_have_a_line() -> None:
    ours, rival, learned = (
        row("universal_sib", 0.80, "shipped"),
        row("pt_map", 0.75),
        row("sib", 0.85, "meta-trained, still improving"),
    )
    missing = {"method": "sib", "settings": "published", "failure": "must be meta-trained first"}
    record = {
        "arguments": {"slow": {"alpha_am": 20}, "beside": {}, "repeats": ["b: 5-way, 1-shot, dirichlet:2"]},
        "cells": [
            cell("a", [ours, rival, learned, row("alpha_am", 0.99)]),
            cell("b", [row("universal_sib", 0.70, "shipped"), row("pt_map", 0.72), missing]),
            cell("a", [ours, row("pt_map", 0.99)], way=20),
            cell("a", [ours, row("pt_map", 0.50)], mix="dirichlet:2"),
            cell("b", [ours, row("pt_map", 0.99)], mix="dirichlet:2"),
            cell("c", [ours, row("pt_map", 0.50)], mix="dirichlet:2"),
            cell("b", [ours, row("pt_map", 0.40)], mix="dirichlet:2", outlier_share=0.25),
            cell("c", [ours, row("pt_map", 0.40)], mix="dirichlet:2", outlier_share=0.25),
            cell("a", [ours, row("pt_map", 0.60)], outlier_share=0.25),
            cell("b", [ours, row("pt_map", 0.60)], outlier_share=0.25),
        ],
    }
    text = compare_figures.text(record)
    assert "| balanced, no prior | 75.0 | PT-MAP 73.5 | +1.5 ± " in text
    assert "| -2.0 | 0 | 1 of 2 |" in text
    assert "| balanced, no prior, 25 % outliers | **80.0** | PT-MAP 60.0 | +20.0 ± 0.0 |" in text
    assert "| Dirichlet 2 | **80.0** | PT-MAP 50.0 | +30.0 ± 0.0 | +30.0 | 0 | 2 of 2 |" in text
    assert "| Dirichlet 2, 25 % outliers | **80.0** | PT-MAP 40.0 | +40.0 ± 0.0 |" in text
    assert "On the 1 sets that have them" not in text
    assert "published SIB 85.0 where ours has 80.0 (balanced, no prior)." in text
