"""`sibyl embed`: images, texts, audio clips or a table → a features folder, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sibyl.cli.commands import app
from sibyl.cli.progress import progress_bar
from sibyl.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from sibyl.datasets.images import ImageSet
    from sibyl.encoders.encoder import Encoder
    from sibyl.sources.source import Source


@app.command(
    "embed",
    epilog="Example: sibyl embed cifar-fs --split train --encoder runs/conv4/backbone.safetensors --views 10 --out features/train",
)
def embed_command(
    source: Annotated[str, typer.Argument(help="The name of a dataset, a folder (of class folders, for labels), or a table.")],
    out: Annotated[Path, typer.Option(help="Features folder to write; an interrupted run there goes on.")],
    encoder: Annotated[
        str | None,
        typer.Option(help="See sibyl encoders; or a backbone of sibyl pretrain, or an ONNX file. The best one here when left out."),
    ] = None,
    column: Annotated[str | None, typer.Option(help="Column with the texts of a table.")] = None,
    label_column: Annotated[
        str | None, typer.Option(help="Column with the labels of a table, if it has none of the usual names.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Column with the names of a table's rows.")] = None,
    split: Annotated[str, typer.Option(help="Of a named dataset: train, validation or test.")] = "test",
    root: Annotated[Path | None, typer.Option(help="Where a named dataset's files lie.")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download a named dataset that is not there.")] = False,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Mean over each image and its mirror image: better rows in twice the time.")
    ] = False,
    views: Annotated[int, typer.Option(help="Augmented views of each image to keep, for meta-training.", min=0)] = 0,
    jitter: Annotated[float, typer.Option(help="Strength of the views' colour jitter.")] = 0.4,
    batch: Annotated[int, typer.Option(help="Items per run of the network.", min=1)] = 32,
    seed: Annotated[int, typer.Option(help="Of the views.")] = 0,
    engine: Annotated[str, typer.Option(help="Who encodes: local (this process) or ray (actors, experimental).")] = "local",
    workers: Annotated[int | None, typer.Option(help="Ray actors.", min=1, show_default=False)] = None,
    ray_address: Annotated[str | None, typer.Option(help="Address of a Ray cluster that runs.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compute features once; everything after works on them.

    Labels come from class folders or a label column; what has none is unlabelled.
    """
    from rich.console import Console

    from sibyl.encoders.embed_features import embed_features
    from sibyl.features import KIND
    from sibyl.folders import check_apart, check_replaceable
    from sibyl.messages import printable
    from sibyl.sources.open import open_source

    _check_engine(engine, workers, ray_address, mirror)
    check_replaceable(out, KIND)  # before hours of work
    console = Console(stderr=True)
    is_dataset = _is_dataset(source)
    if is_dataset:
        pile = _dataset(source, split, root, fetch, _size_for(encoder), shown=not as_json)
    else:
        check_apart(out, source)
        pile = open_source(source, column=column, label_column=label_column, id_column=id_column, exclude=[out])
    network, notes = _encoder(encoder, pile, mirror)
    embedded = None
    if engine == "ray" and network is not None:
        from sibyl.sharding.embed import embed_on_ray

        with progress_bar("encode", shown=not as_json) as report:
            embedded = embed_on_ray(pile, network, encoder, workers, ray_address, batch_size=batch, report=report)
    with progress_bar("augmented views", shown=not as_json) as report:
        features, done = embed_features(
            pile,
            network,
            out,
            n_views=views,
            jitter=jitter,
            seed=seed,
            batch_size=batch,
            embedded=embedded,
            provenance={"source": source, "split": split if is_dataset else ""},
            console=None if as_json else console,
            on_views=report,
        )
    problems = (done.problem,) if done.problem else ()
    for line in (*pile.notes, *notes, *problems, *(f"skipped {one.name}: {one.reason}" for one in (*pile.skipped, *done.skipped))):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
    figures: dict[str, str | int] = {
        "features": str(out), "rows": len(features), "dim": features.dim, "classes": len(features.class_names), "views": views,
    }  # fmt: skip
    if as_json:
        show_json(figures)
    else:
        show_table("features", ["", ""], [[name, str(value)] for name, value in figures.items()])


def _check_engine(engine: str, workers: int | None, ray_address: str | None, mirror: bool) -> None:
    from sibyl.errors import DataError, UnknownName

    if engine not in ("local", "ray"):
        from sibyl.sharding.engine import ENGINES

        raise UnknownName("engine", engine, ENGINES)
    if engine == "local" and (workers is not None or ray_address is not None):
        raise DataError("--workers and --ray-address are for --engine ray; leave them out")
    if engine == "ray" and mirror:
        raise DataError("--mirror is for --engine local; leave one of the two out")


def read_images(source: str, split: str, root: Path | None, fetch: bool, size: int | None, *, shown: bool) -> ImageSet:
    """Return a named dataset's split, or a folder of class folders, for training a backbone."""
    from rich.console import Console

    from sibyl.datasets import load_dataset
    from sibyl.datasets.image_folder import image_set_of
    from sibyl.datasets.images import ImageSet
    from sibyl.errors import DataError
    from sibyl.sources.open import open_source

    with progress_bar("read images", shown=shown) as report:
        if not _is_dataset(source):
            images, skipped = image_set_of(open_source(source), size or 32, report)
            for one in skipped:
                Console(stderr=True).print(f"skipped {one.name}: {one.reason}", markup=False, highlight=False, soft_wrap=True)
            return images
        loaded = load_dataset(source, split, root, size=size, fetch=fetch, progress=report)
    if not isinstance(loaded, ImageSet):
        raise DataError(f"dataset {source!r} holds texts; a backbone of sibyl pretrain takes images; see: sibyl encoders text")
    return loaded


def _is_dataset(source: str) -> bool:
    """A name without a path is a dataset, unless a file or folder of that name is here."""
    return not (Path(source).exists() or len(Path(source).parts) > 1 or Path(source).suffix)


def _size_for(encoder: str | None) -> int | None:
    """Size at which a named dataset is built: the backbone's, where one is named, so that its
    images are not resized twice.
    """
    from sibyl.backbones.checkpoint import load_backbone

    return load_backbone(encoder).image_size if encoder is not None and _is_backbone(encoder) else None


def _is_backbone(encoder: str) -> bool:
    return Path(encoder).suffix == ".safetensors" and ":" not in encoder


def _dataset(name: str, split: str, root: Path | None, fetch: bool, size: int | None, *, shown: bool) -> Source:
    from sibyl.datasets import load_dataset
    from sibyl.datasets.as_source import source_of

    with progress_bar("read", shown=shown) as report:
        return source_of(load_dataset(name, split, root, size=size, fetch=fetch, progress=report), name)


def _encoder(name: str | None, source: Source, mirror: bool) -> tuple[Encoder[Any, Any] | None, tuple[str, ...]]:
    """Return the encoder that was named, or the best one for the source, and what a person should
    know of the choice.
    """
    from sibyl.encoders.backbone import BackboneEncoder
    from sibyl.encoders.chosen import encoder_for
    from sibyl.errors import DataError

    network, choice = encoder_for(source, name)
    if mirror:
        if not isinstance(network, BackboneEncoder):
            raise DataError("mirror images need a backbone of sibyl pretrain (.safetensors); leave out --mirror for other encoders")
        network = BackboneEncoder(network.path, mirror=True)
    return network, () if choice is None else (choice.note,)
