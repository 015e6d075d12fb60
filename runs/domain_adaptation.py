"""Unsupervised domain adaptation: labels in several source domains, none in the target, after Hu et al. 2020 (SIB).

    python runs/domain_adaptation.py [--seeds 5] [--out results]                                rendered digits → real digits
    python runs/domain_adaptation.py --pacs FOLDER --encoder FILE [--seeds 5] [--out results]   PACS, leave one domain out

Every domain has the same classes. A task takes its support from source domains and its unlabelled query from another one; θ⁰ is the
source's classifier, and SIB's synthetic gradients, learned on tasks in which each source domain in turn plays the target, adapt it to the
query. Rows are centred by the mean of the labelled source rows, for every method. No target label is read before the final count.

Rendered digits: the characters 0 … 9 drawn here by the glyph renderer, one domain per hand (slant, pen, proportions) and font, on the
raster of scikit-learn's digits, which are the target. Features: the 64 pixels, and those of a Conv-4-64 trained on the rendered digits.
PACS: FOLDER/<domain>/<class>/*.jpg, and an ONNX file or a backbone of `sibyl pretrain`. The paper used ResNet-18 and trained with an
auxiliary rotation task; here the encoder is frozen and there is none.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from experiment import ROOT, commit, write_record
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sibyl.backbones import build_backbone
from sibyl.datasets.digits import digit_features
from sibyl.datasets.glyph_rendering import Chances, render_as_digits
from sibyl.datasets.glyph_styles import N_HABITS, N_MOODS, styles_of
from sibyl.errors import DataError
from sibyl.evaluation import interval
from sibyl.features import Features
from sibyl.methods import build_method
from sibyl.methods.method import LearnedMethod
from sibyl.methods.sib import SIB
from sibyl.seeding import generator_for
from sibyl.storage import write_text
from sibyl.tasks import Episode, Task
from sibyl.training.meta_train import MetaRecipe, meta_train
from sibyl.training.pretrain import CosineClassifier

DIGITS, N_DOMAINS, N_FONTS, PER_CLASS = "0123456789", 24, 6, 25
SPREAD = 2.0
MOST_MIXED = 4  # domains on either side of an episode
N_SHOT, N_QUERY, N_SUPPORT = 10, 200, 100  # support per class and queries in training; support per class at the end
RIVALS = ("class_mean", "soft_kmeans", "tim")


@dataclass(frozen=True, eq=False)
class DomainEpisodes:
    """Numbered episodes: support from a few domains, query from a few others, mixed.

    The classes' order is drawn anew for each episode, so that the gradient network cannot learn what a certain class looks like in
    the sources: only how predictions of unlabelled items tell of their gradients, which is what a far target shares with them.
    """

    domains: tuple[Features, ...]
    seed: int

    def sample(self, start: int, n_tasks: int) -> Episode:
        drawn = [self._draw(np.random.default_rng([self.seed, 17, number])) for number in range(start, start + n_tasks)]
        support_x, query_x, query_y = (torch.stack(column) for column in zip(*drawn, strict=True))
        n_way = len(self.domains[0].class_names)
        support_y = torch.arange(n_way).repeat_interleave(N_SHOT).expand(n_tasks, -1)
        return Episode(Task(support_x, support_y, query_x, n_way), query_y)

    def _draw(self, chance: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        mixed = [self.domains[number] for number in chance.permutation(len(self.domains))]
        n_labelled = int(chance.integers(1, min(MOST_MIXED, len(mixed) - 1) + 1))
        n_target = int(chance.integers(1, min(MOST_MIXED, len(mixed) - n_labelled) + 1))
        order = chance.permutation(len(mixed[0].class_names))
        support = support_of(mixed[:n_labelled], N_SHOT, chance, order)
        targets = mixed[n_labelled : n_labelled + n_target]
        matrix = np.concatenate([domain.matrix for domain in targets])
        labels = np.concatenate([domain.labels for domain in targets])
        rows = chance.choice(len(matrix), N_QUERY, replace=len(matrix) < N_QUERY)
        query_x, query_y = torch.from_numpy(matrix[rows]).float(), torch.from_numpy(np.argsort(order)[labels[rows]])
        return support - support.mean(0), query_x - support.mean(0), query_y


def support_of(domains: list[Features], n_shot: int, chance: np.random.Generator, order: np.ndarray) -> Tensor:
    """`n_shot` rows of each class, classes in the given order, spread over the domains: [way · shot, dim]."""
    rows = []
    for number in order:
        pool = np.concatenate([domain.matrix[domain.labels == number] for domain in domains])
        rows.append(pool[chance.choice(len(pool), n_shot, replace=len(pool) < n_shot)])
    return torch.from_numpy(np.concatenate(rows)).float()


def check_domains(domains: dict[str, Features]) -> None:
    """Raise DataError unless there are three domains or more, all with the same classes."""
    if len(domains) < 3:
        raise DataError(
            f"leave-one-domain-out needs at least 3 domains, got {', '.join(domains) or 'none'}; expected FOLDER/<domain>/<class>/"
        )
    first, *others = domains
    for name in others:
        differing = sorted(set(domains[name].class_names) ^ set(domains[first].class_names))
        if differing:
            raise DataError(
                f"domains {first} and {name} must have the same classes; only one of them has {', '.join(differing[:5])}"
            )


def adapt_domain(sources: tuple[Features, ...], target: Features, seed: int, iterations: int) -> dict[str, float]:
    """Meta-train across the sources, adapt to the unlabelled target; accuracy of every method there."""
    n_way, dim = len(target.class_names), target.dim
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sib = SIB(dim, n_way, n_steps=3, step_size=0.03, reduction="mean", normalisation="episode")
    episodes = DomainEpisodes(sources, seed)
    held_out = episodes.sample(1_000_000, 16)

    def validate(method: LearnedMethod) -> float:
        return float((method.solve(held_out.task).predictions == held_out.query_y).double().mean())

    recipe = MetaRecipe(
        iterations, episodes=4, optimizer="adamw", rate=1e-2, schedule="cosine", validate_every=iterations, clip=5.0
    )
    with tempfile.TemporaryDirectory() as folder:
        meta_train(sib, episodes, folder, recipe=recipe, validate=validate, seed=seed)
    support = support_of(list(sources), N_SUPPORT, np.random.default_rng([seed, 19]), np.arange(n_way))
    support_y = torch.arange(n_way).repeat_interleave(N_SUPPORT)
    query = torch.from_numpy(np.array(target.matrix, np.float32)) - support.mean(0)
    support = support - support.mean(0)
    task = Task(support[None], support_y[None], query[None], n_way)
    truth = torch.from_numpy(np.array(target.labels))
    linear = LogisticRegression(max_iter=300).fit(support.numpy(), support_y.numpy())
    scores = {"logistic regression": float((linear.predict(query.numpy()) == target.labels).mean())}
    for name in RIVALS:
        scores[name] = float((build_method(name).solve(task).predictions[0] == truth).double().mean())
    solution = sib.solve(task)
    assert solution.inductive_logits is not None
    scores["SIB, source only (θ⁰)"] = float((solution.inductive_logits.argmax(-1)[0] == truth).double().mean())
    scores["SIB, adapted (θᴷ)"] = float((solution.predictions[0] == truth).double().mean())
    scores["gain"] = scores["SIB, adapted (θᴷ)"] - scores["SIB, source only (θ⁰)"]
    return scores


def rendered_domains(seed: int, n_domains: int = N_DOMAINS, spread: float = SPREAD) -> tuple[Features, ...]:
    """Digits 0 … 9 in the hands and fonts of `n_domains` domains: rows of 64 shares of ink; `spread` scales how hands differ."""
    labels = np.repeat(np.arange(10), PER_CLASS)
    domains = []
    for number in range(n_domains):
        chance = np.random.default_rng([seed, 23, number])
        habits = np.repeat(spread * chance.standard_normal((1, N_HABITS)), len(labels), 0)
        noise = Chances.draw(len(labels), chance)
        chances = Chances(np.full(len(labels), (number % N_FONTS + 0.5) / N_FONTS), noise.noise)
        counts = render_as_digits(DIGITS, labels, styles_of(habits, chance.standard_normal((len(labels), N_MOODS))), chances)
        domains.append(Features(counts.reshape(len(labels), -1).astype(np.float32) / 16, labels, tuple(DIGITS)))
    return tuple(domains)


def conv4_encoder(domains: tuple[Features, ...], seed: int, epochs: int = 4) -> Callable[[Features], Features]:
    """Train Conv-4-64 with a cosine classifier on the rendered digits, doubled to 16 × 16 pixels; return it as an encoder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = build_backbone("conv4-64", 16, 1)
        classifier = CosineClassifier(64, 10)

    def pixels(matrix: np.ndarray) -> Tensor:
        return torch.from_numpy(np.asarray(matrix)).reshape(-1, 1, 8, 8).repeat_interleave(2, 2).repeat_interleave(2, 3)

    images = pixels(np.concatenate([domain.matrix for domain in domains]))
    labels = torch.from_numpy(np.concatenate([domain.labels for domain in domains]))
    optimizer = torch.optim.AdamW(nn.ModuleList([backbone, classifier]).parameters(), 2e-3)
    for epoch in range(epochs):
        for rows in torch.randperm(len(images), generator=generator_for(seed, 1, epoch)).split(128):
            loss = cross_entropy(classifier(backbone.train()(images[rows])), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    backbone.eval()

    @torch.no_grad()
    def encode(features: Features) -> Features:
        return Features(backbone(pixels(features.matrix)).numpy(), features.labels, features.class_names, features.ids)

    return encode


def read_domains(folder: Path, encoder: str, out: Path) -> dict[str, Features]:
    """Embed FOLDER/<domain>/<class>/<image>, one features folder per domain below `out`."""
    import sibyl.cli.app  # noqa: F401  # the verbs are imported from there
    from sibyl.cli.embed import embed_command

    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected {folder}/<domain>/<class>/<image>.jpg")
    domains = {}
    for domain in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        embed_command(str(domain), encoder=encoder, out=out / domain.name, as_json=True)
        domains[domain.name] = Features.load(out / domain.name)
    check_domains(domains)
    return domains


def digits_experiment(seeds: int, iterations: int) -> dict[str, list[dict[str, float]]]:
    target = digit_features()
    found: dict[str, list[dict[str, float]]] = {"64 pixels": [], "Conv-4-64 trained on the rendered digits": []}
    for seed in range(seeds):
        domains = rendered_domains(seed)
        encode = conv4_encoder(domains, seed)
        for name, change in zip(found, (lambda features: features, encode), strict=True):
            scores = adapt_domain(tuple(change(domain) for domain in domains), change(target), seed, iterations)
            found[name].append(scores)
            print(seed, name, {key: round(100 * value, 1) for key, value in scores.items()}, flush=True)
    return found


def pacs_experiment(domains: dict[str, Features], seeds: int, iterations: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {f"target: {name}": [] for name in domains}
    for name, target in domains.items():
        sources = tuple(features for other, features in domains.items() if other != name)
        for seed in range(seeds):
            scores = adapt_domain(sources, target, seed, iterations)
            found[f"target: {name}"].append(scores)
            print(seed, name, {key: round(100 * value, 1) for key, value in scores.items()}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pacs", type=Path)
    parser.add_argument("--encoder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    arguments = parser.parse_args()
    began = time.perf_counter()
    if arguments.pacs is None:
        torch.set_num_threads(1)
        found = digits_experiment(arguments.seeds, arguments.iterations)
        title, stem, extra = "Rendered digits → real digits", "domain_adaptation", ""
        setting = (
            f"{N_DOMAINS} source domains (a hand and a font each) of {10 * PER_CLASS} rendered digits; target: the 1,797 real digits of "
            "scikit-learn, all unlabelled."
        )
        remarks = [
            "",
            "The settings were chosen on rendered hands that were not among the sources (spread 1, 2 and 3 times as far). A first trial, whose",
            "episodes took all other domains as the source and were not centred, had met the real digits once: it lost 6.1 points on the pixels and gained",
            "1.0 with the Conv-4 (one seed, 100 iterations). That loss prompted the present design; its settings were then chosen on rendered hands.",
        ]
    else:
        if arguments.encoder is None:
            parser.error("--pacs needs --encoder: an ONNX file or a backbone of sibyl pretrain")
        try:
            domains = read_domains(arguments.pacs, arguments.encoder, arguments.out / "pacs_features")
        except DataError as error:
            parser.error(str(error))
        found = pacs_experiment(domains, arguments.seeds, arguments.iterations)
        title, stem, remarks = "PACS, leave one domain out", "domain_adaptation_pacs", []
        extra = " --pacs FOLDER --encoder FILE"
        setting = f"Domains: {', '.join(f'{name} ({len(domain):,})' for name, domain in domains.items())}; encoder {Path(arguments.encoder).name}."
    columns = list(next(iter(found.values()))[0])
    figures = {
        name: {column: interval(np.array([scores[column] for scores in runs])) for column in columns}
        for name, runs in found.items()
    }
    lines = [
        f"# {title}, no label in the target",
        "",
        setting,
        f"Accuracy on the target, %, mean of {arguments.seeds} seeds (source data, networks, support; the target is the same); ± is half the",
        f"95 % interval (Student's t) over seeds. Support: {N_SUPPORT} source rows per class, the same for every method.",
        "",
        "| method | sees the unlabelled target | " + " | ".join(figures) + " |",
        "|---|---|" + "---|" * len(figures),
    ]
    transductive = {"soft_kmeans", "tim", "SIB, adapted (θᴷ)", "gain"}
    for column in columns:
        cells = [f"{100 * mean:.2f} ± {100 * half:.2f}" for mean, half in (figure[column] for figure in figures.values())]
        lines.append(f"| {column} | {'yes' if column in transductive else 'no'} | " + " | ".join(cells) + " |")
    seconds = time.perf_counter() - began
    lines += [
        "",
        "*tim* presumes equally frequent classes; *gain* is SIB adapted less SIB source only, paired by seed. SIB: K = 3, meta-trained",
        f"{arguments.iterations} iterations of 4 tasks in which source domains play the target (AdamW, rate 1e-2 falling to zero).",
        *remarks,
        "",
        f"Made by: `python runs/domain_adaptation.py --seeds {arguments.seeds} --iterations {arguments.iterations}{extra}`, commit {commit()}, "
        f"{seconds:.0f} s, {os.cpu_count()} cores, machine shared with other work.",
    ]
    write_text(arguments.out / f"{stem}.md", "\n".join(lines) + "\n")
    said = {"seeds": arguments.seeds, "iterations": arguments.iterations}
    libraries = "torch", "numpy", "scikit-learn", "matplotlib"
    write_record(arguments.out / f"{stem}.json", libraries, arguments=said, seconds=seconds, figures=figures, per_seed=found)


if __name__ == "__main__":
    main()
