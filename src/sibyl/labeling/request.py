"""What is to be labelled, and how: one value that goes through the whole label job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sibyl.labeling.examples import Given, read_given
from sibyl.labeling.file_names import output_files, output_place
from sibyl.sources.open import open_source
from sibyl.sources.source import Source

if TYPE_CHECKING:  # a slip in the examples is told before torch is imported
    from sibyl.encoders.encoder import Encoder
    from sibyl.methods import Method


@dataclass(frozen=True, eq=False)
class LabelRequest:
    """The arguments of `sibyl.label`, which says what each means, and what its other callers add.

    Parameters
    ----------
    named : sequence of (str, str)
        Further examples, as (item, class).
    exclude : sequence of path
        Files and folders that hold no data, beside the output and the files named here.
    command : str
        How the run was asked for; the report shows it.
    began : float, optional
        When a person began to wait, by `time.perf_counter`; when the job begins if left out.
    """

    source: Any
    examples: Any = None
    encoder: str | Path | Encoder[Any, Any] | None = None
    out: str | Path | None = None
    earlier: str | Path | None = None
    export: Sequence[str] = ()
    column: str | None = None
    label_column: str | None = None
    id_column: str | None = None
    kind: str | None = None
    ignore: Sequence[str] = ()
    keep_columns: bool = False
    method: str | Method | None = None
    class_prior: Any = None
    classes: str | Path | Sequence[str] | Mapping[str, str] | None = None
    cache: str | Path | None = None
    batch_size: int = 32
    console: Console | None = None
    named: Sequence[tuple[str, str]] = ()
    exclude: Sequence[str | Path] = ()
    command: str = ""
    began: float | None = None

    @cached_property
    def opened(self) -> Source:
        """The source, opened once."""
        if isinstance(self.source, Source):
            return self.source
        return open_source(
            self.source, column=self.column, label_column=self.label_column, id_column=self.id_column, exclude=self.no_data,
            kind=self.kind, ignore=self.ignore,
        )  # fmt: skip

    @cached_property
    def given(self) -> Given | None:
        """The examples as they were given, read once."""
        return read_given(self.examples, self.named)

    @property
    def folder(self) -> Path | None:
        """The output folder, whose corrections go before all other labels."""
        return None if self.out is None else output_place(self.out)[0]

    @property
    def inputs(self) -> list[str | Path]:
        """Files that the job reads beside the source."""
        return [one for one in (self.examples, self.classes) if isinstance(one, str | Path)]

    @property
    def no_data(self) -> list[str | Path]:
        """What is not to be taken for items where it lies inside the source."""
        return [*(() if self.out is None else output_files(self.out)), *self.exclude, *self.inputs]
