"""Meta-train and test SIB on features of one backbone: the published table, with intervals, three seeds and the paper's rows beside.

    python runs/sib_table.py FEATURES OUT --title "Conv-4-64 on CIFAR-FS" --paper cifar-fs/conv4-64 --work WORK

FEATURES holds ``train`` (with views), ``validation`` and ``test``, made by ``sibyl embed``. Protocol of the paper: 5-way, 1 and 5 shots,
15 queries a class, and all that `sibyl.training.protocols` fixes under the name "sib". Every choice was made on validation classes; the
test classes are read in the last step, after all networks are trained. A killed run goes on where it stopped. `runs/sib_page.py` turns
the record into page and picture.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from compare import portable
from experiment import TRAINING_MEAN, commit, with_training_mean
from rich.progress import Progress
from sib_page import COSINE_EPISODES, write_page

from sibyl.compare.learners import Budget, TrainingSet, train_one
from sibyl.features import Features, check_disjoint
from sibyl.inference import report_inference
from sibyl.methods import METHODS
from sibyl.methods.checkpoint import load_method
from sibyl.methods.method import LearnedMethod, Method
from sibyl.methods.sib import SIB
from sibyl.storage import write_json
from sibyl.training.meta_train import MetaRecipe, meta_train
from sibyl.training.protocols import MetaTestProtocol, meta_test_protocol

# Accuracies in %, 1 shot / 5 shots, from Hu et al. 2020. CIFAR-FS Conv-4-64 at K = 3, mini-ImageNet Conv-4-128 and both WRN-28-10 rows at
# K = 5 were checked against the paper's tables; the rest is noted from memory, and the page says so.
PAPER = {
    "cifar-fs/conv4-64": {"K=0": (59.2, 75.4), "K=3": (68.7, 77.1)},
    "cifar-fs/wrn-28-10": {"K=0": (70.0, 83.5), "K=1": (76.8, 84.9), "K=3": (78.4, 85.3), "K=5": (80.0, 85.3)},
    "mini-imagenet/conv4-64": {"K=0": (50.0, 67.0), "K=3": (58.0, 70.7)},
    "mini-imagenet/conv4-128": {"K=5": (63.26, 75.73)},
    "mini-imagenet/wrn-28-10": {"K=0": (60.6, 77.5), "K=1": (67.3, 78.8), "K=3": (69.6, 78.9), "K=5": (70.0, 79.2)},
}
PUBLISHED = MetaRecipe()
OURS = MetaRecipe(iterations=4000, episodes=8, optimizer="adamw", rate=5e-3, schedule="cosine")


@dataclass(frozen=True)
class Variant:
    """One row of the table: a network and how it is meta-trained."""

    name: str
    n_steps: int
    normalisation: str = "batch"
    prior: bool = False
    kl_weight: float = 1.0
    recipe: MetaRecipe = PUBLISHED
    views: bool = True


VARIANTS = [
    *(Variant("as published", n_steps) for n_steps in (0, 1, 3, 5)),
    *(Variant("per-episode normalisation", n_steps, "episode", recipe=OURS) for n_steps in (1, 3, 5)),
    Variant("with the prior", 3, "episode", True, 0.01, OURS),
    Variant("per-episode, without views", 3, "episode", recipe=OURS, views=False),
]


def run_folder(variant: Variant, shot: int, seed: int, work: Path) -> Path:
    """Where one network is trained and kept."""
    return work / f"{variant.name} K={variant.n_steps} {shot}-shot seed {seed}".replace(" ", "_")


def train(
    variant: Variant,
    shot: int,
    seed: int,
    train_set: Features,
    held_out: Features,
    work: Path,
    protocol: MetaTestProtocol,
    progress: Progress,
) -> SIB:
    """Meta-train one network, or take it from `work` where it is finished; return the one that counts."""
    folder = run_folder(variant, shot, seed, work)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sib = SIB(
            train_set.dim,
            protocol.n_way,
            variant.n_steps,
            normalisation=variant.normalisation,
            prior=variant.prior,
            kl_weight=variant.kl_weight,
        )
    bar = progress.add_task(folder.name, total=variant.recipe.iterations)
    meta_train(
        sib,
        protocol.training_sampler(train_set, shot, seed, views=variant.views),
        folder,
        recipe=replace(variant.recipe, validate_every=protocol.validate_every(variant.recipe.iterations)),
        validate=protocol.validation(held_out, shot),
        seed=seed,
        on_step=lambda done, total, line: progress.update(bar, completed=done),
    )
    progress.remove_task(bar)
    trained = load_method(protocol.kept(folder))
    assert isinstance(trained, SIB)
    return trained


@dataclass(frozen=True, eq=False)
class Rivals:
    """Methods with parameters of their own, meta-trained on the same features as the arena does it."""

    names: tuple[str, ...]
    data: TrainingSet
    budget: Budget
    folder: Path

    @classmethod
    def of(cls, names: str, iterations: int, train_set: Features, held_out: Features, work: Path) -> Rivals:
        """Choose them by name, or all inductive ones."""
        inductive = [name for name, kind in METHODS.items() if issubclass(kind, LearnedMethod) and not kind.traits.transductive]
        chosen = inductive if names == "inductive" else [name for name in names.split(",") if name]
        budget = replace(Budget.of_length(max(2, iterations), (1e-3, 1e-2)), views=False)
        return cls(tuple(chosen), TrainingSet(train_set, held_out), budget, work / "rivals")

    def train(self, name: str, way: int, shot: int) -> Method:
        """Meta-train one, or take it from where it is finished."""
        print(f"{name}, {shot}-shot", flush=True)
        return load_method(train_one(name, way, shot, self.data, self.budget, self.folder / name))

    def record(self) -> dict[str, Any] | None:
        """What the page says of them."""
        inductive = [name for name in self.names if not METHODS[name].traits.transductive]
        return {"inductive": inductive, "budget": self.budget.statement()} if self.names else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path, help="results/NAME without an ending")
    parser.add_argument("--title", required=True)
    parser.add_argument("--paper", default="", help="; ".join(PAPER))
    parser.add_argument("--work", type=Path, required=True, help="folder for the meta-training runs")
    parser.add_argument("--seeds", type=int, help="fewer than the protocol's")
    parser.add_argument("--episodes", type=int, help="of the test, other than the protocol's")
    parser.add_argument("--learned", default="", help="meta-trained rivals on the same episodes, names with commas, or 'inductive'")
    parser.add_argument("--learned-iterations", type=int, default=2000)
    parser.add_argument("--made", default="", help="how features and table were made, a sentence for the page")
    parser.add_argument("--reading", default="the first time.", help="how often the test classes were read, for the page")
    parser.add_argument("--slice", type=int, default=1, help="divide all iterations by this: a trial, not a result")
    parser.add_argument("--only", default="", help="train only variants whose name starts so, and stop before the test")
    parser.add_argument("--finished", action="store_true", help="train nothing more: a table of the networks that are finished")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5], help="with --only: these shots alone, to share the work")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    protocol = meta_test_protocol("sib") if arguments.slice == 1 else meta_test_protocol("sib").trial()
    arguments.seeds, arguments.episodes = arguments.seeds or protocol.n_seeds, arguments.episodes or protocol.test_episodes
    protocol = replace(protocol, n_seeds=arguments.seeds, test_episodes=arguments.episodes)
    train_set, held_out = (Features.load(arguments.features / split) for split in ("train", "validation"))
    variants = [replace(v, recipe=replace(v.recipe, iterations=max(2, v.recipe.iterations // arguments.slice))) for v in VARIANTS]
    networks: dict[tuple[str, int], list[Method]] = {}
    began = time.perf_counter()
    with Progress() as progress:
        for variant, shot, seed in itertools.product(variants, arguments.shots, protocol.seeds):
            if arguments.finished and not (run_folder(variant, shot, seed, arguments.work) / "last.safetensors").exists():
                continue
            if variant.name.startswith(arguments.only):
                trained = train(variant, shot, seed, train_set, held_out, arguments.work, protocol, progress)
                networks.setdefault((f"{variant.name}, K={variant.n_steps}", shot), []).append(trained)
    rivals = Rivals.of(arguments.learned, arguments.learned_iterations // arguments.slice, train_set, held_out, arguments.work)
    for name, shot in itertools.product(rivals.names, arguments.shots):
        networks[name, shot] = [rivals.train(name, protocol.n_way, shot)]
    if arguments.only or arguments.shots != [1, 5]:
        return
    seconds = time.perf_counter() - began

    # All networks are frozen; only now are the test classes read.
    test = Features.load(arguments.features / "test")
    check_disjoint({"train": train_set.class_names, "validation": held_out.class_names, "test": test.class_names})
    samplers = {shot: protocol.test_sampler(test, shot) for shot in protocol.shots}
    inductive = ("class_mean", "logistic_regression", "simple_shot")
    company = (*inductive, "tim", "pt_map")
    table: dict[str, dict[int, dict[str, Any]]] = {}
    for name, shot in itertools.product(company, protocol.shots):
        row = "K=0, init network untrained (class mean)" if name == "class_mean" else name
        table.setdefault(row, {})[shot] = protocol.test([with_training_mean(name, train_set)], samplers[shot])
    for (name, shot), seeds in networks.items():
        table.setdefault(name, {})[shot] = protocol.test(seeds, samplers[shot])
    cosines = {}
    for name, shot in (
        ("as published, K=5", 1),
        ("as published, K=5", 5),
        ("per-episode normalisation, K=5", 1),
        ("per-episode normalisation, K=5", 5),
    ):
        sib = networks[name, shot][0]
        assert isinstance(sib, SIB)
        cosines[f"{name}, {shot}-shot"] = report_inference(sib, samplers[shot].batches(COSINE_EPISODES, 1)).rows()

    best_inductive = {
        s: max(table["K=0, init network untrained (class mean)" if n == "class_mean" else n][s]["accuracy"] for n in inductive)
        for s in protocol.shots
    }
    write_json(
        arguments.out.with_suffix(".json"),
        {
            "title": arguments.title, "notes": [TRAINING_MEAN], "table": table, "cosines": cosines, "paper": PAPER.get(arguments.paper, {}), "best_inductive": best_inductive,
            "reading": arguments.reading, "made": arguments.made, "learned": rivals.record(),
            "variants": [asdict(v) for v in variants], "features": portable(train_set.provenance), "commit": commit(),
            "protocol": asdict(protocol), "seconds": seconds,
            "versions": {name: version(name) for name in ("torch", "numpy")}, "arguments": {name: value for name, value in vars(arguments).items() if not isinstance(value, Path)},
        },
    )  # fmt: skip
    print(write_page(arguments.out.with_suffix(".json")))


if __name__ == "__main__":
    main()
