"""Fit what blends the answers of a pile (`sibyl.methods.universal.blend`), all else of the shipped network frozen, and ship it.

    python runs/piles_gate.py --features runs/piles --work runs/piles/answers [--ship]

Prints, for every family of features, what a blend does that was fitted to the other families: accuracy and stated confidence. With
--ship the blend that is fitted to all families goes into the package instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from pile_draws import Pile, averaged, clump_table, draw_pile, joined
from torch import Tensor
from torch.nn.functional import cross_entropy

from sibyl.cli.progress import progress_bar
from sibyl.datasets.glyphs import glyph_features
from sibyl.features import Features
from sibyl.methods.checkpoint import save_method
from sibyl.methods.named import SHIPPED
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.blend import SMOOTHING, BlendNetwork, describe, floored
from sibyl.methods.universal.graph import spread_labels
from sibyl.methods.universal.rows import OneSlice, Slice, power_rows
from sibyl.tasks import ClassPrior
from sibyl.tensors import load_tensors

ROWS = 600  # of each pile that the fit sees; what describes it comes from all
GAP = 10.0  # weight of the squared difference between stated confidence and accuracy
TARGET = SHIPPED / "universal_sib.safetensors"
SHAPES = (  # features, classes, items, class mix; two of each
    ("cifar-squeezenet", 80, 5000, "unequal"), ("cifar-squeezenet", 80, 4000, "equal"), ("cifar-squeezenet", 40, 3000, "equal"),
    ("cifar-squeezenet", 20, 2500, "unequal"), ("cifar-squeezenet", 30, 2500, "dirichlet:2"), ("cifar-squeezenet", 12, 2400, "unequal"),
    ("cifar-squeezenet-2", 80, 4500, "unequal"), ("cifar-squeezenet-2", 40, 2200, "equal"), ("cifar-squeezenet-2", 20, 2000, "dirichlet:2"),
    ("cifar-squeezenet-3", 80, 4500, "unequal"), ("cifar-squeezenet-3", 50, 2500, "equal"), ("cifar-squeezenet-3", 80, 3000, "equal"),
    ("clinc150", 110, 8000, "unequal"), ("clinc150", 70, 7000, "equal"), ("clinc150", 50, 3000, "dirichlet:2"), ("clinc150", 15, 1600, "unequal"),
    ("clinc150-new", 30, 3000, "unequal"), ("clinc150-new", 30, 4400, "equal"), ("clinc150-new", 20, 1800, "dirichlet:2"),
    ("clinc150-new", 30, 2200, "unequal"), ("clinc150-new", 25, 2800, "equal"), ("clinc150-new", 16, 1700, "unequal"),
    ("cifar-squeezenet-new", 16, 2500, "unequal"), ("cifar-squeezenet-new", 16, 5000, "equal"),
    ("cifar-squeezenet-new", 14, 2500, "dirichlet:2"), ("cifar-squeezenet-new-2", 16, 2500, "unequal"),
    ("cifar-squeezenet-new-2", 15, 3000, "equal"),
    ("cifar-conv4-new", 16, 4000, "unequal"), ("cifar-conv4-new", 16, 6000, "equal"), ("cifar-conv4-new", 10, 2500, "dirichlet:2"), ("cifar-conv4-new", 5, 2500, "unequal"),
    ("cifar-pixels", 80, 3000, "unequal"), ("cifar-pixels", 16, 3000, "equal"), ("cifar-pixels", 30, 2000, "unequal"),
    ("omniglot-pixels", 100, 1900, "equal"), ("omniglot-pixels", 150, 2500, "unequal"), ("omniglot-pixels", 200, 3000, "unequal"),
    ("table", 26, 6000, "equal"), ("table", 26, 3000, "unequal"), ("table", 26, 5000, "unequal"), ("table", 16, 2000, "dirichlet:2"),
    ("table", 10, 1500, "equal"), ("table", 40, 6000, "unequal"),
    ("glyphs", 40, 2000, "unequal"), ("glyphs", 60, 3000, "unequal"), ("glyphs", 30, 1700, "equal"),
)  # fmt: skip


class AnsweredPile:
    """What the frozen network says of a pile: descriptors, log probabilities of the three answers, and the truth."""

    def __init__(self, pile: Pile, told: bool, tensors: dict[str, Tensor]) -> None:
        self.pile, self.told, self.tensors = pile, told, tensors
        self.descriptors, self.logits, self.y = tensors["descriptors"], tensors["logits"][..., :ROWS].float(), tensors["y"][:ROWS]

    @property
    def family(self) -> str:
        return self.pile.features.partition("-new")[0].rstrip("-23")

    @property
    def chance(self) -> float:
        """How often the fit draws this pile: twice as often where the classes are new to the network, as a user's are."""
        return 2.0 if "-new" in self.pile.features else 1.0

    def blended(self, network: BlendNetwork) -> Tensor:
        raw = network(self.descriptors)[0]
        logits: Tensor = (raw[:3, None, None] * self.logits).sum(0)
        share = logits.softmax(0).mean(1, keepdim=True) * len(logits)
        if self.told:
            wanted = self.tensors["shares"][:, None]
            return logits + (wanted * len(logits) / share.clamp_min(1e-6)).clamp_min(1e-6).log()
        blended: Tensor = logits - raw[3].clamp_max(1.5) * (share + SMOOTHING).log()
        return blended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--features", type=Path, required=True, help="what piles_features.py wrote, and clinc150/{train,validation}"
    )
    parser.add_argument("--work", type=Path, required=True, help="answers are kept here; those that are there are not made again")
    parser.add_argument(
        "--part", type=int, nargs=2, default=(0, 1), metavar=("NUMBER", "OF"), help="answer a part of the piles only"
    )
    parser.add_argument("--ship", action="store_true")
    arguments = parser.parse_args()
    network = load_frozen()
    answered = answer_all(network, arguments.features, arguments.work, *arguments.part)
    if arguments.part[1] > 1:
        return
    if not arguments.ship:
        report(answered)
    else:
        network.blend.load_state_dict(fit(answered).state_dict())
        save_method(TARGET, network, load_tensors(TARGET)[1]["card"] | {"piles": sorted({one.pile.features for one in answered})})
        print("shipped:", TARGET.name)


def load_frozen() -> UniversalSIB:
    """Return the shipped network; one from before there was a blend gets an untrained one."""
    tensors, metadata = load_tensors(TARGET)
    network = UniversalSIB(**metadata["settings"])
    network.load_state_dict(tensors, strict=False)
    return network.eval()


def answer_all(network: UniversalSIB, features: Path, work: Path, part: int = 0, parts: int = 1) -> list[AnsweredPile]:
    sets = pile_sets(features)
    cases = [(Pile(*shape, seed=seed), seed == 1) for seed in (0, 1) for shape in SHAPES]
    answered = []
    with progress_bar("answer piles") as report:
        for number, (pile, told) in enumerate(cases):
            if number % parts != part:
                continue
            file = work / f"{pile.features}-{pile.n_way}-{pile.n_items}-{pile.mix.replace(':', '')}-{pile.seed}.pt"
            if not file.is_file():
                data = (
                    clump_table(2 * pile.n_items + pile.n_way + pile.seed, pile.n_way)
                    if pile.features == "table"
                    else sets[pile.features]
                )
                file.parent.mkdir(parents=True, exist_ok=True)
                torch.save([answer(network, pile, data, one) for one in ([False, True] if told else [False])], file)
            for one, tensors in enumerate(torch.load(file, weights_only=True)):
                answered.append(AnsweredPile(pile, bool(one), tensors))
            report(number + 1, len(cases))
    return answered


def pile_sets(folder: Path) -> dict[str, Features]:
    """Training and validation classes of every encoder; `-new`: of classes that the encoder or the network was not trained on."""
    sets = {"glyphs": glyph_features("validation", n_per_class=60)}
    for name in ("cifar-squeezenet", "clinc150", "cifar-pixels", "omniglot-pixels"):
        sets[name] = joined(*(Features.load(folder / name / split) for split in ("train", "validation")))
    for n in (2, 3):
        sets[f"cifar-squeezenet-{n}"] = averaged(sets["cifar-squeezenet"], n)
    for name in ("clinc150", "cifar-conv4", "cifar-squeezenet"):
        sets[f"{name}-new"] = Features.load(folder / name / "validation")
    sets["cifar-squeezenet-new-2"] = averaged(sets["cifar-squeezenet-new"], 2)
    return sets


@torch.no_grad()
def answer(network: UniversalSIB, pile: Pile, data: Features, told: bool) -> dict[str, Tensor]:
    task, y = draw_pile(pile, data)
    shares = torch.bincount(y, minlength=task.n_way) / len(y)
    prior: ClassPrior = shares if told else None
    classifier = network.solve(task, prior).classifier
    blend = classifier.blend.blend  # type: ignore[union-attr]
    unit = power_rows(task.query_x, classifier.exponent)  # type: ignore[union-attr]
    spread = spread_labels(task, classifier.exponent)[0]  # type: ignore[union-attr]
    whole = Slice(unit, task.query_weight.mT, spread, 0, None, None)
    descriptors = describe(blend.means, blend.alone, OneSlice(whole), task.n_way, prior_given=told)
    logits = torch.cat([blend.means(unit), floored(spread).log(), blend.alone(unit)])
    rows = torch.from_numpy(np.random.default_rng(7).permutation(len(y))[:ROWS])
    return {"descriptors": descriptors, "logits": logits[..., rows].half(), "y": y[rows], "shares": shares}


def fit(piles: list[AnsweredPile], n_steps: int = 600, rate: float = 0.03, decay: float = 0.0005, seed: int = 0) -> BlendNetwork:
    """Fit likelihood, expected error, and how far the stated confidence is from the accuracy, every pile alike."""
    torch.manual_seed(seed)
    network, generator = BlendNetwork(), np.random.default_rng(seed)
    with torch.no_grad():
        network.usual.copy_(torch.tensor([-0.3, -0.3, -1.0, -1.0]))
    chance = np.array([pile.chance for pile in piles])
    optimiser = torch.optim.Adam(network.parameters(), rate)
    for step in range(n_steps):
        optimiser.param_groups[0]["lr"] = rate * (1 - step / n_steps)
        losses = []
        for number in generator.choice(len(piles), 12, replace=False, p=chance / chance.sum()):
            pile = piles[number]
            logits = pile.blended(network)[None]
            error = 1 - logits.softmax(1).gather(1, pile.y[None, None]).mean()
            surest = logits.softmax(1).max(1)
            gap = surest.values.mean() - (surest.indices == pile.y[None]).float().mean()
            losses.append(cross_entropy(logits, pile.y[None]) / np.log(logits.shape[1]) + 0.2 * error + GAP * gap.square())
        loss = torch.stack(losses).mean() + decay * sum(parameter.square().sum() for parameter in network.correction.parameters())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


@torch.no_grad()
def score(logits: Tensor, y: Tensor) -> tuple[float, float]:
    probability = logits.softmax(0).max(0)
    return 100 * float((probability.indices == y).float().mean()), 100 * float(probability.values.mean())


def report(piles: list[AnsweredPile]) -> None:
    """Print what a blend of the other families does."""
    found = []
    for family in sorted({one.family for one in piles}):
        with torch.enable_grad():
            network = fit([one for one in piles if one.family != family])
        for one in piles:
            if one.family == family:
                with torch.no_grad():
                    accuracy, stated = score(one.blended(network), one.y)
                    trust = network(one.descriptors)[0]
                each = [score(logits, one.y)[0] for logits in one.logits]
                found.append((one.told, *each, accuracy, stated))
                figures = " ".join(f"{value:5.1f}" for value in found[-1][1:])
                print(
                    f"{one.pile.title:48s} {'told' if one.told else '    '} {figures}  ",
                    " ".join(f"{value:.2f}" for value in trust.tolist()),
                )
    for told in (False, True):
        rows = np.array([row[1:] for row in found if row[0] == told])
        behind = rows[:, 3] - rows[:, :3].max(1)
        gap = np.abs(rows[:, 4] - rows[:, 3])
        print("told" if told else "untold", "means, graph, alone, blend, stated:", rows.mean(0).round(2))
        print(
            f"  beside the best of three: mean {behind.mean():.2f}, least {behind.min():.2f}; stated off by {gap.mean():.1f}, at most {gap.max():.1f}"
        )


if __name__ == "__main__":
    main()
