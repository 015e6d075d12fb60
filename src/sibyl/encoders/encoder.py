"""The contract of an encoder: raw item → feature, frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from sibyl.errors import CheckpointError, DataError
from sibyl.sources.fitted import Fitted

Raw = TypeVar("Raw")
Prepared = TypeVar("Prepared")
Rows = npt.NDArray[np.float32]


class Encoder(ABC, Generic[Raw, Prepared]):
    """A frozen network that turns raw items into rows of features.

    Work is split in two, so that reading and preprocessing run in threads ahead of the network:
    `prepare` takes one item and may run in several threads at once; `encode` takes a batch and runs
    in one.

    Attributes
    ----------
    name : str
        A name for people: of the library's model, or of the file.
    key : str
        Identifies weights and preprocessing: equal keys mean equal features. It names the feature
        cache.
    dim : int
        Number of feature columns.
    modality : str
        What it reads: ``image``, ``text`` or ``audio``.
    enough_pixels : int, optional
        Short side, in pixels, below which `prepare` would lose detail; large images may be decoded
        at that size. None: always whole.
    splits : bool
        Whether parts of a batch may be encoded side by side: on the processor, where nothing is
        shared but weights.
    fitted : Fitted, optional
        What it learned from the items that it is fitted to; None if it is frozen, or not fitted
        yet.
    """

    name: str
    key: str
    dim: int
    modality: str = "image"
    enough_pixels: int | None = None
    splits: bool = False
    fitted: Fitted | None = None

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What a run reports of the encoder: file or name, preprocessing and where its settings
        come from. JSON can hold it.
        """

    def fitted_to(self, items: Iterable[Raw]) -> Encoder[Raw, Prepared]:
        """Return the encoder that is to read `items`: most are frozen and return themselves; a few
        are fitted to the items first.

        One that is fitted already stays as it is.
        """
        return self

    def fitted_as(self, fitted: Fitted) -> Encoder[Raw, Prepared]:
        """Return the encoder that learned `fitted`: its rows are comparable with those of the
        encoder that this comes from.

        Raises
        ------
        CheckpointError
            If `fitted` is another encoder's, or damaged.
        """
        raise CheckpointError(f"encoder {self.name} is frozen, so it cannot take over what {fitted.kind} was fitted to")

    def encode_names(self, names: Sequence[str]) -> Rows:
        """Turn names of classes into rows of the space that items lie in, float32 [name, dim].

        A frozen encoder of texts reads a name as it reads any text. An encoder of another modality needs a text half of its own.

        Raises
        ------
        DataError
            If names and items share no space.
        """
        if self.modality != "text" or type(self).fitted_to is not Encoder.fitted_to:
            raise DataError(
                f"encoder {self.name} has no space that items and names of classes share; leave --classes out and give examples, or "
                "choose a sentence encoder, see: sibyl encoders"
            )
        return self.encode([self.prepare(name) for name in names])  # type: ignore[arg-type]

    @abstractmethod
    def prepare(self, item: Raw) -> Prepared:
        """Turn one raw item into the network's input."""

    @abstractmethod
    def encode(self, batch: Sequence[Prepared]) -> Rows:
        """Turn prepared items into features, float32 [item, dim]."""
