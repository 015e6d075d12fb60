"""`sibyl compare`: methods side by side on the same episodes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sibyl.cli.commands import app
from sibyl.cli.progress import progress_bar
from sibyl.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from sibyl.compare.arena import Entrant
    from sibyl.compare.learners import TrainingSet
    from sibyl.features import Features

Value = TypeVar("Value")
MOST_SHOWN = 8  # cells that are printed one by one; beyond that the overviews are printed, and the files hold the rest
PIPE_WIDTH = 200


@app.command(
    "compare",
    epilog=(
        "Example: sibyl compare digits --methods class_mean,tim --out compared/ (no file needed), or sibyl compare cifar=features/test --train features/train --validation features/val --methods "
        "class_mean,tim,sib --shot 1,5 --mix balanced,dirichlet:2 --out comparison/"
    ),
)
def compare_command(
    features: Annotated[
        list[str], typer.Argument(help="Features to draw episodes from, as PATH or NAME=PATH; digits needs no file.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for compare.md, compare.tex, compare.json and pictures.")],
    methods: Annotated[
        str,
        typer.Option(
            help="Names of methods, with settings as in tim:support_weight=1:n_steps=50, MODULE:CLASS for one of your own, "
            "checkpoints, or NAME=CHECKPOINT, with commas between; all: every method."
        ),
    ] = "all",
    way: Annotated[str, typer.Option(help="Classes per episode; several with commas.")] = "5",
    shot: Annotated[str, typer.Option(help="Labelled items per class; several with commas.")] = "1",
    query: Annotated[str, typer.Option(help="Unlabelled items per class, on average; several with commas.")] = "15",
    mix: Annotated[str, typer.Option(help="balanced, dirichlet:A, one-class; several with commas.")] = "balanced",
    outliers: Annotated[str, typer.Option(help="Share of queries of none of the classes; several with commas.")] = "0",
    told_balanced: Annotated[bool, typer.Option("--told-balanced", help="Tell the methods that queries are balanced.")] = False,
    episodes: Annotated[int, typer.Option(help="Episodes of each cell.", min=2)] = 1000,
    seed: Annotated[int, typer.Option(help="Chooses the episodes.")] = 0,
    baseline: Annotated[str, typer.Option(help="Method that paired differences are taken to; it joins --methods.")] = "class_mean",
    reference: Annotated[str, typer.Option(help="Method whose relative one-shot gains are tabulated.")] = "sib",
    train: Annotated[
        list[str] | None, typer.Option(help="Features of training classes, one for each FEATURES: learned methods are trained.")
    ] = None,
    validation: Annotated[list[str] | None, typer.Option(help="Features of validation classes, one for each --train.")] = None,
    iterations: Annotated[int, typer.Option(help="Meta-training steps of every learned method.", min=1)] = 2000,
    rates: Annotated[str, typer.Option(help="Learning rates to try; the best on validation classes is kept.")] = "0.001",
    batch: Annotated[int, typer.Option(help="Episodes solved at once.", min=1)] = 32,
    device: Annotated[str, typer.Option(help="Where to train and solve: cpu, cuda, or cuda:1 for the second GPU.")] = "cpu",
    cache: Annotated[Path | None, typer.Option(help="Where results are kept; default: Sibyl's cache folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Measure methods on the same episodes; what was measured before is not measured again."""
    from dataclasses import asdict

    from sibyl.class_mix import ClassMix
    from sibyl.compare.arena import run_arena
    from sibyl.compare.learners import Budget, train_all
    from sibyl.compare.protocols import grid
    from sibyl.compare.report import all_tables, check_replaceable, write_report
    from sibyl.compare.tables import to_json
    from sibyl.devices import usable_device
    from sibyl.errors import UserError
    from sibyl.storage import cache_folder

    device = usable_device(device)
    data = _named_features(features)
    check_replaceable(out, data)
    training = _training_sets(list(data), train or [], validation or [])
    entrants = _entrants(methods, with_learned=bool(training))
    names = [entrant.name for entrant in entrants]
    if baseline not in names:
        entrants = [*_entrants(baseline, with_learned=bool(training)), *entrants]
        names = [entrant.name for entrant in entrants]
    mixes = _parsed("--mix", mix, str)
    for one in mixes:
        ClassMix.parse(one)
    cells = grid(
        list(data),
        _parsed("--way", way, int),
        _parsed("--shot", shot, int),
        _parsed("--query", query, int),
        mixes,
        _parsed("--outliers", outliers, float),
        episodes=episodes,
        seed=seed,
        told_balanced=told_balanced,
    )
    budget = Budget.of_length(iterations, _parsed("--rates", rates, float), seed)
    folder = (cache if cache is not None else cache_folder()) / "compare"
    with progress_bar("meta-train", shown=bool(training) and not as_json) as report:
        sources = [entrant.source for entrant in entrants if isinstance(entrant.source, str)]
        trained = train_all(sources, cells, training, budget, folder / "trained", report, device)
    means = {name: both.base_mean for name, both in training.items()}
    with progress_bar("compare", shown=not as_json) as report:
        rows = run_arena(
            data,
            cells,
            entrants,
            folder / "results",
            trained=trained,
            base_means=means,
            batch_size=batch,
            device=device,
            on_progress=report,
        )
    if all(row.result is None for row in rows):
        raise UserError(f"no method gave a result; the first said: {rows[0].failure}")
    remarks = [f"Learned methods: {budget.statement()}."] if trained else []
    arguments = {"features": features, "train": train or [], "validation": validation or [], "methods": names, "batch": batch,
                 "device": device, "budget": asdict(budget) if trained else None}  # fmt: skip
    paths = write_report(rows, out, baseline=baseline, reference=reference, remarks=remarks, arguments=arguments)
    if as_json:
        show_json({"files": {name: str(path) for name, path in paths.items()}, **to_json(rows, baseline, reference)})
        return
    tables = all_tables(rows, baseline, reference)
    for table in tables if len(cells) <= MOST_SHOWN else tables[: len(tables) - len(cells)]:
        show_table(table.title, table.columns, table.rows, width=None if sys.stdout.isatty() else PIPE_WIDTH)
        for note in table.notes:
            typer.echo(note)
    typer.echo("Written: " + ", ".join(str(path) for path in paths.values()))


def _parsed(option: str, text: str, kind: Callable[[str], Value]) -> tuple[Value, ...]:
    """Read values with commas between them."""
    from sibyl.errors import UserError

    words = [word.strip() for word in text.split(",") if word.strip()]
    try:
        values = tuple(kind(word) for word in words)
    except ValueError:
        values = ()
    if not values or len(set(values)) < len(values):
        raise UserError(f"{option} takes different values with commas between them, such as 1,5; got {text!r}")
    return values


def _split_name(text: str) -> tuple[str, str]:
    """Read NAME=PATH, or PATH, whose name is that of its folder or file."""
    name, equals, path = text.partition("=")
    return (name, path) if equals else (Path(text).resolve().stem, text)


def _named_features(texts: Sequence[str]) -> dict[str, Features]:
    from sibyl.datasets.digits import digit_features
    from sibyl.errors import UserError
    from sibyl.sources.feature_files import load_features

    found: dict[str, Features] = {}
    for text in texts:
        name, path = _split_name(text)
        if name in found:
            raise UserError(f"two features are named {name!r}; give each its own name: NAME={path}")
        found[name] = digit_features() if path == "digits" and not Path(path).exists() else load_features(path)
        found[name].check_finite()
    return found


def _training_sets(names: Sequence[str], train: Sequence[str], validation: Sequence[str]) -> dict[str, TrainingSet]:
    from sibyl.compare.learners import TrainingSet
    from sibyl.errors import UserError
    from sibyl.sources.feature_files import load_features

    if not train and not validation:
        return {}
    if not len(train) == len(validation) == len(names):
        raise UserError(
            f"--train and --validation are given once for each FEATURES, in the same order: "
            f"{len(names)} expected, got {len(train)} and {len(validation)}"
        )
    sets = {}
    for name, learn, check in zip(names, train, validation, strict=True):
        sets[name] = TrainingSet(load_features(learn), load_features(check))
        sets[name].train.check_finite()
        sets[name].validation.check_finite()
    return sets


def _entrants(text: str, *, with_learned: bool) -> list[Entrant]:
    from sibyl.compare.arena import Entrant
    from sibyl.errors import UnknownName, UserError
    from sibyl.methods import METHODS, LearnedMethod, build_method
    from sibyl.methods.named import shipped_methods
    from sibyl.methods.outside import as_declared, find_outside, split_settings

    if text.strip() == "all":
        ready = shipped_methods()
        learned = [name for name, kind in METHODS.items() if issubclass(kind, LearnedMethod) and name not in ready]
        if not with_learned:
            typer.echo(f"left out, for want of --train and --validation: {', '.join(learned)}", err=True)
        return [Entrant(name, name) for name in METHODS if with_learned or name not in learned]
    entrants = []
    for word in _parsed("--methods", text, str):
        spelled, settings = split_settings(word)
        name, source = _split_name(spelled) if spelled not in METHODS else (word, spelled)
        if source not in METHODS and not Path(source).is_file():
            outside = find_outside(source)
            if outside is None:
                raise UnknownName("method or checkpoint", source, METHODS)
            name, source = (outside if name == Path(source).stem else name), outside
        elif settings and source not in METHODS:
            raise UserError(f"{word}: a checkpoint has its settings already; only a method given by name takes some")
        if settings:
            settings = as_declared(METHODS[source], settings)
            build_method(source, settings)
        entrants.append(Entrant(name, source, settings))
    return entrants
