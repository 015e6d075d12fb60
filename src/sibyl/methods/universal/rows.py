"""Rows of any encoder, power-transformed to unit length and iterated in slices; no other module reads the features themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from sibyl.memmap import allocate_beside, allocate_tensor, is_mapped, release
from sibyl.methods.universal.perceptron import perceptron
from sibyl.tasks import Task
from sibyl.threads import in_order

if TYPE_CHECKING:
    from sibyl.methods.universal.neighbours import Nodes

SMALL = 1e-6
T = TypeVar("T")
Totals = tuple[Tensor, ...]


def power_rows(x: Float[Tensor, "task row dim"], exponent: Float[Tensor, "task 1 1"]) -> Float[Tensor, "task row dim"]:
    """``unit(sign(x) (|x| / mean|x| + ε)^β)``: a power transform (Tukey's ladder) that the rows' own scale does not matter to."""
    size = x.abs()
    size = size / size.mean(-1, keepdim=True).clamp_min(1e-30)
    return normalize(torch.sign(x) * (size + SMALL).pow(exponent), dim=-1)


class PowerNetwork(nn.Module):
    """Chooses the exponent of the power transform for a task from the shape of its labelled rows.

    It sees three numbers that any encoder's rows have: the share of negative mass, ``‖x‖₁ / (√dim
    ‖x‖₂)`` (1 for rows spread evenly over the columns, near 0 for sparse ones) and the share of
    zeros.
    """

    def __init__(self, n_hidden: int) -> None:
        super().__init__()
        self.network = perceptron(3, n_hidden, 1)
        self.usual = nn.Parameter(torch.tensor(0.4))

    def forward(self, task: Task) -> tuple[Float[Tensor, "task 1 1"], Float[Tensor, "task number"]]:
        """Return the exponent in (0, 1), and what it was chosen from together with it."""
        x, real = task.support_x, task.support_mask[..., None].to(task.support_x.dtype)
        size = x.abs()
        total = size.sum(-1, keepdim=True).clamp_min(1e-30)
        negative = x.clamp_max(0).neg().sum(-1, keepdim=True) / total
        evenness = total / (torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-30) * x.shape[-1] ** 0.5)
        zeros = (size < SMALL * size.amax(-1, keepdim=True)).to(x.dtype).mean(-1, keepdim=True)
        shape = (torch.cat([negative, evenness, zeros], -1) * real).sum(1) / real.sum(1).clamp_min(1)
        exponent = torch.sigmoid(self.usual + self.network(shape))
        return exponent[..., None], torch.cat([shape, exponent], -1)


@dataclass(frozen=True, eq=False)
class Slice:
    """Some query rows of every task.

    Parameters
    ----------
    unit : float [task, row, dim]
        Prepared rows of unit length.
    weight : float [task, 1, row]
        1 for real rows, 0 for padding.
    graph : float [task, way, row]
        What labels that were spread over a graph say.
    first : int
        Where the slice begins.
    products, excluded : float [task, row, node], bool [task, row, node], optional
        Scalar products with the rows that messages come from, and which of those are excluded (the
        row itself, padding), where they are kept.
    """

    unit: Float[Tensor, "task row dim"]
    weight: Float[Tensor, "task 1 row"]
    graph: Float[Tensor, "task way row"]
    first: int
    products: Float[Tensor, "task row node"] | None
    excluded: Bool[Tensor, "task row node"] | None


@runtime_checkable
class Rows(Protocol):
    """Query rows that are iterated in slices, in memory, on disk or in shards."""

    @property
    def count(self) -> Float[Tensor, "task 1"]:
        """Real rows of each task."""

    def total(self, call: Callable[[Slice], Totals]) -> Totals:
        """Add up what `call` says of each slice, in float64 and in a fixed order; empty where there are no slices."""


def add_up(results: Iterable[Totals]) -> Totals:
    """Add in float64, one after the other: the sum does not depend on who computed the parts, or when."""
    total: Totals = ()
    for one in results:
        total = tuple(a + b.double() for a, b in zip(total, one, strict=True)) if total else tuple(each.double() for each in one)
    return total


@dataclass(frozen=True, eq=False)
class NoRows:
    """No query rows: the inductive answer."""

    count: Float[Tensor, "task 1"]

    def total(self, call: Callable[[Slice], Totals]) -> Totals:
        """Return nothing."""
        return ()


@dataclass(frozen=True, eq=False)
class OneSlice:
    """Rows that are all of one slice.

    Parameters
    ----------
    part : Slice
    """

    part: Slice

    @property
    def count(self) -> Float[Tensor, "task 1"]:
        """Real rows of each task."""
        return self.part.weight.sum(2)

    def total(self, call: Callable[[Slice], Totals]) -> Totals:
        """Return what `call` says of the slice, in float64."""
        return add_up([call(self.part)])


@dataclass(frozen=True, eq=False)
class _Kept:
    """What `Slice` holds of all rows, in files."""

    unit: Float[Tensor, "task row dim"]
    products: Float[Tensor, "task row node"] | None
    excluded: Bool[Tensor, "task row node"] | None

    def at(self, here: slice) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return some rows of each."""
        products, excluded = (None if one is None else one[:, here] for one in (self.products, self.excluded))
        return self.unit[:, here], products, excluded


@dataclass(frozen=True, eq=False)
class QueryRows:
    """The query rows of a batch of tasks, prepared slice by slice in each pass, or once if they are few.

    Where the rows are memory-mapped, so is all that is kept of them, and the pages of a slice are
    released after it. Slices are computed in parallel, one a thread.

    Parameters
    ----------
    task : Task
        Holds the rows as they come from the encoder; they may be memory-mapped.
    exponent : float [task, 1, 1]
        Of the power transform.
    graph : float [task, way, query]
        See `sibyl.methods.universal.graph`.
    nodes : Nodes
        The rows that messages come from.
    n_rows : int
        Rows of each task in a slice.
    keep, keep_products : bool
        Keep the prepared rows; and what `Slice` holds of each row and node.
    in_files : bool
        Keep it in files, wherever the rows lie.
    first : int
        Where the rows stand among all rows, where they are one shard of several.
    n_threads : int, optional
        Threads; as many as there are cores when left out.
    """

    task: Task
    exponent: Float[Tensor, "task 1 1"]
    graph: Float[Tensor, "task way query"]
    nodes: Nodes
    n_rows: int
    keep: bool
    keep_products: bool
    in_files: bool = False
    first: int = 0
    n_threads: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_kept", self._stored() if self.keep else None)

    def __iter__(self) -> Iterator[Slice]:
        """Yield the slices in order."""
        for number in range(self.n_slices):
            part = self.part(number)
            yield part
            self._release(part)

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return -(-self.task.query_x.shape[1] // self.n_rows)

    def part(self, number: int) -> Slice:
        """Return one slice."""
        kept: tuple[Slice, ...] | _Kept | None = self._kept  # type: ignore[attr-defined]
        return kept[number] if isinstance(kept, tuple) else self._prepare(number, kept)

    def map(self, call: Callable[[Slice], T]) -> Iterator[T]:
        """Yield what `call` says of each slice, in order."""
        if torch.is_grad_enabled() or self.n_slices == 1:
            yield from map(call, self)
            return

        def of_slice(number: int) -> T:
            part = self.part(number)
            result = call(part)
            self._release(part)
            return result

        yield from in_order(of_slice, range(self.n_slices), self.n_threads)

    def total(self, call: Callable[[Slice], Totals]) -> Totals:
        """Add up what `call` says of each slice, in float64 and in order."""
        return add_up(self.map(call))

    def _release(self, part: Slice) -> None:
        release(self.task.query_x, self.graph, *(one for one in (part.unit, part.products, part.excluded) if one is not None))

    def _stored(self) -> tuple[Slice, ...] | _Kept | None:
        """Return all slices; of rows in a file, what they are cut from: a piece of memory kept for each slice would split the heap.

        None where rows are to be kept in a file and none can be had.
        """
        x = self.task.query_x
        if not is_mapped(x) and not self.in_files:
            return tuple(self._all_prepared())
        make = partial(allocate_beside, x) if is_mapped(x) else allocate_tensor
        each = (*x.shape[:2], self.nodes.unit.shape[1])
        kept = _Kept(
            make(tuple(x.shape), x.dtype),
            make(each, x.dtype) if self.keep_products else None,
            make(each, torch.bool) if self.keep_products else None,
        )
        if not is_mapped(kept.unit):
            return None
        for number, part in enumerate(self._all_prepared()):
            stored = self._prepare(number, kept)
            for to, of in ((stored.unit, part.unit), (stored.products, part.products), (stored.excluded, part.excluded)):
                if to is not None and of is not None:
                    to.copy_(of)
            self._release(stored)
        return kept

    def _all_prepared(self) -> Iterator[Slice]:
        numbers = range(self.n_slices)
        if torch.is_grad_enabled() or self.n_slices == 1:
            return map(self._prepare, numbers)
        return in_order(self._prepare, numbers, self.n_threads)

    def _prepare(self, number: int, kept: _Kept | None = None) -> Slice:
        start = number * self.n_rows
        part = slice(start, start + self.n_rows)
        if kept is None:
            unit = power_rows(self.task.query_x[:, part], self.exponent)
            products = self.nodes.products(unit) if self.keep_products else None
            excluded = self.nodes.excluded(self.first + start, unit.shape[1]) if self.keep_products else None
        else:
            unit, products, excluded = kept.at(part)
        weight = self.task.query_mask[:, None, part].to(unit.dtype)
        return Slice(unit, weight, self.graph[..., part].to(unit.dtype), self.first + start, products, excluded)

    @property
    def count(self) -> Float[Tensor, "task 1"]:
        """Real rows of each task."""
        return self.task.query_weight.sum(1)
