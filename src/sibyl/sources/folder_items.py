"""FolderItems: the files of a folder as items, held by their names alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from sibyl.sources.item import Item


@dataclass(frozen=True, eq=False)
class FolderItems(Sequence[Item]):
    """Files below a folder. All that is held of each is its name: a million records would take more memory than what solves them.

    Parameters
    ----------
    root : Path
        The folder.
    names : tuple of str
        Paths below it.
    """

    root: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> FolderItems: ...

    def __getitem__(self, index: int | slice) -> Item | FolderItems:
        if isinstance(index, slice):
            return FolderItems(self.root, self.names[index])
        return Item(self.names[index], self.root, below=True)


def names_of(items: Sequence[Item]) -> tuple[str, ...]:
    """Return the names of items."""
    return items.names if isinstance(items, FolderItems) else tuple(item.name for item in items)


def with_first(items: Sequence[Item], first: Collection[str]) -> Sequence[Item]:
    """Return the same items, those named in `first` before all others, the order unchanged else."""
    if isinstance(items, FolderItems):
        return FolderItems(items.root, tuple(sorted(items.names, key=lambda name: name not in first)))
    return tuple(sorted(items, key=lambda item: item.name not in first))
