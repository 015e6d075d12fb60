"""Labels that folders give: the outermost sub-folder of an item is its class."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from sys import intern

_NO_CLASS = ("unlabelled", "unlabeled", "unsorted", "not labelled", "not labeled")


class FolderLabels(Mapping[str, str]):
    """Item → outermost sub-folder, for the items that lie in one; read off the names, which are in order."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __getitem__(self, name: str) -> str:
        place = bisect_left(self._names, name)
        if not is_labelled(name) or place == len(self._names) or self._names[place] != name:
            raise KeyError(name)
        return intern(name.split("/", 1)[0])

    def __iter__(self) -> Iterator[str]:
        return filter(is_labelled, self._names)

    def __len__(self) -> int:
        return sum(map(is_labelled, self._names))


def is_labelled(name: str) -> bool:
    """Tell whether an item of a folder lies in a sub-folder that is a class."""
    folder, slash, _ = name.partition("/")
    return bool(slash) and folder.lower() not in _NO_CLASS
