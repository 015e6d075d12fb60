"""Which items to label first, when nothing is labelled: those that stand for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor
from torch.nn.functional import normalize

from sibyl.errors import InputError
from sibyl.memmap import slices, take_rows

_CANDIDATES = 4000  # items of which some are taken
_EXPLAINED = 4000  # items that stand for all others
_PART = 100  # candidates looked at together
_FEW = 16  # whose gain is computed anew together
_ROUNDING = 1e-5  # of sums


def first_items(X: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    """Choose the rows of a pile to label first, without knowing any label.

    Facility location: with s_ij the squared cosine of two rows seen from the mean of all, 0 where
    the cosine is negative, rows are taken one after the other by what they would explain of all
    rows beyond what is explained already,

        ``argmax_i Σ_j max(0, s_ij − max_{k taken} s_kj)``

    so that the first stands for most of the pile, and each further one for most of what is left
    (Mirzasoleiman et al. 2013; the greedy choice is within 1 − 1/e of the best one, Nemhauser et
    al. 1978). Of more than 4,000 rows, 4,000 drawn with a fixed seed are candidates, and 4,000
    stand for all.

    Parameters
    ----------
    X : float array [item, dim]
        Features; finite.
    n : int
        How many rows; fewer come back if there are fewer.

    Returns
    -------
    int64 array [n]
        Row numbers, most representative first.

    Raises
    ------
    InputError
        If `X` is no matrix of finite numbers, or `n` is below one.

    Examples
    --------
    >>> import numpy as np
    >>> pile = np.repeat(np.eye(3), [5, 3, 2], axis=0)
    >>> sorted(np.argmax(pile[row]) for row in first_items(pile, 3))
    [np.int64(0), np.int64(1), np.int64(2)]
    """
    rows = np.asarray(X) if np.asarray(X).dtype.kind == "f" else np.asarray(X, np.float32)
    if rows.ndim != 2:
        raise InputError(f"expected rows of features, [item, dim]; got an array with {rows.ndim} dimensions")
    if n < 1:
        raise InputError(f"expected at least one item to choose, got n = {n}")
    if not all(np.isfinite(rows[part]).all() for part in slices(rows)):
        raise InputError("features must be finite, but some are NaN or infinite; remove or recompute those rows")
    if not len(rows):
        return np.zeros(0, np.int64)
    draw = np.random.default_rng(0)
    candidates, others = (_some(len(rows), size, draw) for size in (max(_CANDIDATES, n), _EXPLAINED))
    centre = sum((rows[part].sum(0, dtype=np.float64) for part in slices(rows)), np.zeros(rows.shape[1])) / len(rows)
    near, far = (seen_from(torch.from_numpy(take_rows(rows, chosen).astype(np.float32)), centre) for chosen in (candidates, others))
    alike = torch.empty(len(near), len(far))
    for part in slices(alike, rows=_PART):
        alike[part] = (near[part] @ far.mT).clamp_min_(0).square_()
    return candidates[take_greedily(alike, torch.ones(len(far)), torch.zeros(len(far)), n)]


def first_of_pile(
    path: str | Path,
    number: int,
    encoder: str | Path | None = None,
    *,
    column: str | None = None,
    id_column: str | None = None,
    cache: str | Path | None = None,
    console: Console | None = None,
) -> tuple[str, ...]:
    """Name the items of a pile to label first; what `open_source` opens, read with an encoder as `sibyl.label` does.

    Raises
    ------
    UserError
        If the pile or the encoder is not as expected.
    """
    from sibyl.encoders.chosen import encoder_for
    from sibyl.encoders.embed_source import embed_source
    from sibyl.sources.open import open_source

    source = open_source(path, column=column, id_column=id_column)
    embedded = embed_source(source, encoder_for(source, encoder)[0], cache, console=console)
    return tuple(embedded.names[row] for row in first_items(embedded.matrix, number).tolist())


def seen_from(rows: Float[Tensor, "item dim"], centre: npt.NDArray[Any]) -> Float[Tensor, "item dim"]:
    """Return the directions of rows from a point, in place."""
    return normalize(rows.sub_(torch.from_numpy(centre).to(rows)), dim=-1, out=rows)


def take_greedily(
    alike: Float[Tensor, "candidate item"], value: Float[Tensor, " item"], explained: Float[Tensor, " item"], number: int
) -> list[int]:
    """Take candidates one after the other, each by the value of what it explains beyond what is explained already.

    Parameters
    ----------
    alike : float tensor [candidate, item]
        How well a candidate explains an item; may lie in a file.
    value : float tensor [item]
        What explaining an item is worth.
    explained : float tensor [item]
        How well it is explained already.
    number : int
        How many at most.
    """
    taken: list[int] = []
    gain = torch.cat([_gain(alike[part], value, explained) for part in slices(alike, rows=_PART)])
    for _ in range(min(number, len(alike))):
        here = int(gain.argmax())
        taken.append(here)
        explained = torch.maximum(explained, alike[here])
        gain[taken] = -1
        _bring_up_to_date(gain, alike, value, explained)
    return taken


def _gain(alike: Float[Tensor, "candidate item"], value: Float[Tensor, " item"], explained: Float[Tensor, " item"]) -> Tensor:
    """Return what each candidate would explain further; the number of a row does not depend on the rows beside it."""
    return (alike - explained).clamp_min_(0).mul_(value).sum(1)


def _bring_up_to_date(
    gain: Float[Tensor, " candidate"],
    alike: Float[Tensor, "candidate item"],
    value: Float[Tensor, " item"],
    explained: Float[Tensor, " item"],
) -> None:
    """Compute gains anew, in place, until no other can be the largest: what is explained only grows, so no gain does (Minoux 1978)."""
    order = gain.argsort(descending=True)
    largest = 0.0
    for start in range(0, len(order), _FEW):
        rows = order[start : start + _FEW]
        if float(gain[rows[0]]) * (1 + _ROUNDING) < largest or gain[rows[0]] < 0:
            return
        rows = rows[gain[rows] >= 0]
        gain[rows] = _gain(alike[rows], value, explained)
        largest = max(largest, float(gain[rows].max()))


def _some(n_rows: int, size: int, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    return np.arange(n_rows) if n_rows <= size else np.sort(draw.choice(n_rows, size, replace=False))
