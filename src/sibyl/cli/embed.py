"""`sibyl embed`: images, texts, audio clips or a table → a features folder, once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sibyl.cli.app import app
from sibyl.cli.progress import progress_bar
from sibyl.cli.tables import show_json, show_table

if TYPE_CHECKING:
    from sibyl.datasets.images import ImageSet
    from sibyl.features import Features
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
    batch: Annotated[int, typer.Option(help="Items per pass of the network.", min=1)] = 256,
    seed: Annotated[int, typer.Option(help="Of the views.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compute features once; everything after works on them.

    Labels come from class folders or a label column; what has none is unlabelled.
    """
    from sibyl.errors import DataError
    from sibyl.features import KIND
    from sibyl.folders import check_apart, check_replaceable
    from sibyl.sources.open import open_source

    check_replaceable(out, KIND)  # before hours of work
    if not _is_dataset(source):
        check_apart(out, source)
    if encoder is not None and Path(encoder).suffix == ".safetensors" and ":" not in encoder:
        from sibyl.backbones.checkpoint import load_backbone
        from sibyl.encoders.image_sets import embed_image_set

        backbone = load_backbone(encoder)
        images = read_images(source, split, root, fetch, backbone.image_size, len(backbone.mean) == 1, shown=not as_json)
        with progress_bar("embed", shown=not as_json) as report:
            features = embed_image_set(
                backbone,
                images,
                out,
                mirror=mirror,
                n_views=views,
                jitter=jitter,
                seed=seed,
                batch_size=batch,
                provenance={"source": source, "split": split},
                on_rows=report,
            )
    else:
        if views or mirror:
            raise DataError(
                "augmented views and mirror images need a backbone of sibyl pretrain (.safetensors); leave out --views and --mirror "
                "for other encoders"
            )
        pile = (
            _dataset(source, split, root, fetch, shown=not as_json)
            if _is_dataset(source)
            else open_source(source, column=column, label_column=label_column, id_column=id_column, exclude=[out])
        )
        features = _embed_source(pile, encoder, {"source": source, "split": split if _is_dataset(source) else ""}, batch, as_json)
        features.save(out)
    figures: dict[str, str | int] = {
        "features": str(out), "rows": len(features), "dim": features.dim, "classes": len(features.class_names), "views": views,
    }  # fmt: skip
    if as_json:
        show_json(figures)
    else:
        show_table("features", ["", ""], [[name, str(value)] for name, value in figures.items()])


def read_images(source: str, split: str, root: Path | None, fetch: bool, size: int | None, grey: bool, *, shown: bool) -> ImageSet:
    """Return a named dataset's split, or a folder of class folders, at the backbone's size."""
    from sibyl.datasets import load_dataset
    from sibyl.datasets.images import ImageSet
    from sibyl.datasets.packed import cached_image_set
    from sibyl.errors import DataError

    with progress_bar("read images", shown=shown) as report:
        if not _is_dataset(source):
            return cached_image_set(source, size=size or 32, grey=grey, progress=report)
        images = load_dataset(source, split, root, size=size, fetch=fetch, progress=report)
    if not isinstance(images, ImageSet):
        raise DataError(f"dataset {source!r} holds texts; a backbone of sibyl pretrain takes images; see: sibyl encoders text")
    return images


def _is_dataset(source: str) -> bool:
    """A name without a path is a dataset, unless a file or folder of that name is here."""
    return not (Path(source).exists() or len(Path(source).parts) > 1 or Path(source).suffix)


def _dataset(name: str, split: str, root: Path | None, fetch: bool, *, shown: bool) -> Source:
    from sibyl.datasets import load_dataset
    from sibyl.datasets.as_source import source_of

    with progress_bar("read", shown=shown) as report:
        return source_of(load_dataset(name, split, root, fetch=fetch, progress=report), name)


def _embed_source(source: Source, encoder: str | None, provenance: dict[str, object], batch: int, as_json: bool) -> Features:
    """Embed with an encoder of any library; what cannot be read is named and left out."""
    import numpy as np
    from rich.console import Console

    from sibyl.encoders.catalogue import default_encoder
    from sibyl.encoders.embed_source import embed_source
    from sibyl.encoders.named import encoder_by_name
    from sibyl.errors import DataError
    from sibyl.features import Features
    from sibyl.wording import counted

    console = Console(stderr=True)
    notes = list(source.notes)
    network = None
    if encoder is not None:
        if source.matrix is not None:
            raise DataError(f"{source.root}: its rows are features already; leave out --encoder")
        network = encoder_by_name(encoder)
    elif source.matrix is None:
        choice = default_encoder(source.modality)
        network = choice.encoder
        notes.append(choice.note)
    done = embed_source(source, network, batch_size=min(batch, 32), console=None if as_json else console)
    notes += [done.problem] if done.problem else []
    for line in (*notes, *(f"skipped {one.name}: {one.reason}" for one in (*source.skipped, *done.skipped))):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if not done.names:
        raise DataError(f"{source.root}: expected items that can be read, but of {counted(len(done.skipped), 'item')} none can")
    classes = tuple(sorted({source.labels[name] for name in done.names if name in source.labels}))
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[source.labels[name]] if name in source.labels else -1 for name in done.names], np.int64)
    return Features(done.matrix, labels, classes, done.names, {**provenance, "encoder": dict(done.encoder)})
