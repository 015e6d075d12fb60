"""Same features, same predictions: our methods beside public implementations at their shipped settings.

    python -m benchmarks.parity [--tasks 100] [--out results]

Writes parity.md and parity.json. Nothing is chosen on these numbers. Needs the extra `peers`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.semi_supervised import LabelSpreading as SklearnLabelSpreading
from torch import Tensor

from benchmarks.peers import ROOT, clusters, digits, easyfsl_methods, provenance, solve_with_peer
from sibyl.methods import build_method
from sibyl.storage import write_json, write_text
from sibyl.tasks import Task

Solver = Callable[[Task, int], Tensor]


@dataclass(frozen=True)
class Pair:
    """One row of the table: a peer's answer for a task [query, way], and ours with the settings that mean the same."""

    peer: str
    answer: Solver
    ours: str
    settings: dict[str, object]
    remark: str
    dtype: torch.dtype = torch.float32


def _paper_distance(kind: type[Any]) -> type[Any]:
    """EasyFSL's TIM with the classifier of the paper, x·w − ‖w‖²/2, in place of its cosine."""

    class PaperDistance(kind):  # type: ignore[misc]
        def cosine_distance_to_prototypes(self, samples: Tensor) -> Tensor:
            return samples @ self.prototypes.T - self.prototypes.square().sum(1) / 2

    return PaperDistance


def _linear(kind: type[Any]) -> type[Any]:
    """EasyFSL's transductive fine-tuning with the paper's linear classifier, the bias as one more column."""

    class Linear(kind):  # type: ignore[misc]
        def process_support_set(self, support_images: Tensor, support_labels: Tensor) -> None:
            super().process_support_set(support_images, support_labels)
            unit = torch.nn.functional.normalize(self.prototypes, dim=1)
            self.prototypes = torch.cat([unit, unit.new_zeros(len(unit), 1)], 1)

        def l2_distance_to_prototypes(self, samples: Tensor) -> Tensor:
            return torch.cat([samples, samples.new_ones(len(samples), 1)], 1) @ self.prototypes.T

    return Linear


def _label_spreading(task: Task, row: int) -> Tensor:
    x = torch.cat([task.support_x[row], task.query_x[row]]).numpy()
    y = np.concatenate([task.support_y[row].numpy(), np.full(task.query_x.shape[1], -1)])
    model = SklearnLabelSpreading(max_iter=10_000, tol=1e-9).fit(x, y)
    return torch.from_numpy(model.label_distributions_[task.support_x.shape[1] :])


def pairs() -> list[Pair]:
    peer = easyfsl_methods()

    def run(kind: type[Any]) -> Solver:
        return lambda task, row: solve_with_peer(kind(), task, row)

    paper = {"learning_rate": 5e-5, "temperature": 1.0}
    tim = {"solver": "gradient", "temperature": 10.0, "support_weight": 1.0, "n_steps": 50}
    return [
        Pair("EasyFSL PTMAP", run(peer.PTMAP), "pt_map", {"n_steps": 10, "centred": False, "unit_length": False},
             "EasyFSL takes 10 steps and leaves out the published scaling and centring; we can too. Its exp(−λ d²) is not in the log "
             "domain: where all of a row underflows it answers NaN, and such tasks are left out of the share"),
        Pair("EasyFSL PTMAP, double precision", run(peer.PTMAP), "pt_map", {"n_steps": 10, "centred": False, "unit_length": False},
             "the same in double precision, where less underflows; its balancing stops after 1,000 steps, converged or not",
             torch.float64),
        Pair("EasyFSL TIM", run(peer.TIM), "tim", tim,
             "EasyFSL scores by cosine, whose gradient cannot change a prototype's length; the paper, and we, by −τ/2‖x − w‖²"),
        Pair("EasyFSL TIM, paper's distance", run(_paper_distance(peer.TIM)), "tim", tim,
             "the same with its one score function replaced: the rest is equal"),
        Pair("EasyFSL TransductiveFinetuning", run(peer.TransductiveFinetuning), "transductive_finetuning", paper,
             "EasyFSL scores by −‖x − w‖ with the means as they are; the paper, and we, by w·x + b with unit weights: "
             "at five shots the means differ in length"),
        Pair("EasyFSL TransductiveFinetuning, linear", run(_linear(peer.TransductiveFinetuning)), "transductive_finetuning", paper,
             "the same with its score function replaced: the rest is equal"),
        Pair("scikit-learn LabelSpreading", _label_spreading, "label_spreading",
             {"alpha": 0.2, "sigma": (1 / 40) ** 0.5, "unit_length": False},
             "shipped kernel (γ = 20) and α = 0.2, iterated to its limit, which we solve for"),
    ]  # fmt: skip


def compare(pair: Pair, task: Task) -> dict[str, float]:
    """Share of equal predictions, and how far the peer's two best scores lie apart where they differ."""
    task = task.to(pair.dtype)
    with torch.no_grad():
        ours = build_method(pair.ours, pair.settings).solve(task).predictions
    theirs = torch.stack([pair.answer(task, row) for row in range(task.n_tasks)])
    answered = theirs.isfinite().all(2).all(1)
    ours, theirs = ours[answered], theirs[answered]
    same = ours == theirs.argmax(-1)
    two = theirs.topk(2, dim=-1).values
    gap = two[..., 0] - two[..., 1]
    return {
        "tasks": task.n_tasks,
        "tasks_without_answer": int((~answered).sum()),
        "queries": same.numel(),
        "same": int(same.sum()),
        "tasks_all_same": int(same.all(1).sum()),
        "largest_gap_where_different": float(gap[~same].max()) if not same.all() else 0.0,
        "median_gap": float(gap.median()) if len(gap) else 0.0,
    }


def shown(cell: dict[str, float]) -> str:
    """Format one cell of the table."""
    share = f"{100 * cell['same'] / cell['queries']:.2f}" if cell["queries"] else "–"
    return share + (f" (peer: NaN in {cell['tasks_without_answer']})" if cell["tasks_without_answer"] else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    sets = {
        f"{name}, {n_shot}-shot": make(arguments.tasks, n_shot).task
        for name, make in (("clusters", clusters), ("digits", digits))
        for n_shot in (1, 5)
    }
    rows = []
    for pair in pairs():
        cells = {}
        for name, task in sets.items():
            cells[name] = compare(pair, task)
            print(f"{pair.peer:38} {name:18} {cells[name]}", flush=True)
        rows.append({"peer": pair.peer, "ours": pair.ours, "settings": pair.settings, "remark": pair.remark, "sets": cells})
    found = provenance()
    lines = [
        "# Parity with public implementations",
        "",
        f"Share of queries with the same predicted class, %, over {arguments.tasks} tasks each: 5-way, 15 queries per class. *clusters*: overlapping",
        "clusters in 640 dimensions, non-negative; *digits*: scikit-learn's digits. Both of unit length, and the same array goes to both sides.",
        "The peer runs at its shipped settings; ours are set to mean the same where the shipped settings are not the paper's.",
        "",
        "| peer | ours | " + " | ".join(sets) + " |",
        "|---|---|" + "---|" * len(sets),
    ]
    for row in rows:
        settings = ", ".join(
            f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in row["settings"].items()
        )
        shares = [shown(cell) for cell in row["sets"].values()]
        lines.append(
            f"| {row['peer']} | `{row['ours']}`" + (f" ({settings})" if settings else "") + " | " + " | ".join(shares) + " |"
        )
    lines += ["", "Why they differ, where they do:", ""]
    for row in rows:
        apart = max(cell["largest_gap_where_different"] for cell in row["sets"].values())
        usual = min(cell["median_gap"] for cell in row["sets"].values() if cell["queries"])
        figures = f"largest gap between the peer's two best scores where the answers differ {apart:.1e}, median gap of all queries {usual:.1e}"
        differing = any(cell["same"] < cell["queries"] for cell in row["sets"].values())
        said = [row["remark"]] if row["remark"] else []
        lines.append(f"- {row['peer']}: " + "; ".join([*said, figures if differing else "all equal"]) + ".")
    lines += [
        "",
        f"Made by: `python -m benchmarks.parity --tasks {arguments.tasks}`; "
        + ", ".join(f"{key} {value}" for key, value in found.items())
        + ".",
    ]
    write_text(arguments.out / "parity.md", "\n".join(lines) + "\n")
    write_json(arguments.out / "parity.json", {"arguments": {"tasks": arguments.tasks}, "provenance": found, "rows": rows})


if __name__ == "__main__":
    main()
