"""The products that `benchmarks.scale` sets a solve beside are those that the code makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks import scale
from sibyl.methods.named import method_by_name
from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.rows import QueryRows
from sibyl.methods.universal.viewpoint import Viewpoint
from sibyl.tasks import Task


def test_looks_at_rows_are_as_many_as_the_passes_of_a_pile_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pass is counted by the different class means that it sees its rows from, as one that is seen twice is needed once."""
    passes: list[set[bytes]] = []
    go_over, cosines = QueryRows.map, Viewpoint.cosines_of

    def map_(self: QueryRows, call: Callable[..., Any]) -> Iterator[Any]:
        passes.append(set())
        yield from go_over(self, call)

    def looked(self: Viewpoint, products: Tensor, along: Tensor) -> Tensor:
        if passes and along.shape[2] > len(codes):  # the labelled rows are looked at, too, between passes
            passes[-1].add(self.direction.numpy().tobytes() + self.origin.numpy().tobytes())
        return cosines(self, products, along)

    draw = torch.Generator().manual_seed(0)
    centre = torch.randn(5, 16, generator=draw)
    truth, codes = torch.arange(1500) % 5, torch.arange(25) % 5
    x = centre[truth] + torch.randn(1500, 16, generator=draw)
    task = Task((centre[codes] + torch.randn(25, 16, generator=draw))[None], codes[None], x[None], 5)
    network = method_by_name("universal_sib", 16, 5)
    assert isinstance(network, UniversalSIB)
    monkeypatch.setattr(QueryRows, "map", map_)
    monkeypatch.setattr(Viewpoint, "cosines_of", looked)
    network.solve(task)
    first, *others = scale.LOOKS.values()
    assert [len(one) for one in passes if one] == [first, *[scale.IN_A_STEP] * network.n_steps, *others]
    text = " ".join(scale.counted(32))
    assert f"{sum(scale.LOOKS.values())} times more: the first look (1), the first outlier scores (4)" in " ".join(text.split())
