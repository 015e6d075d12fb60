"""The K steps at test time, and what training needs of the rows, as machine code, faster on a CPU; needs numba (the extra ``fast``).

What torch does in some hundred calls, each over the rows of all tasks, goes here from one task to the next, so that the rows of a task stay in
the processor's own cache through all steps. Classes and channels come before queries, so that every inner loop runs along memory. The
equations are those of `sibyl.methods.sib.adaptation`, `sibyl.methods.classifiers.CosineScores` and
`sibyl.methods.sib.gradient_network`; sums are taken in another order, which moves logits in the sixth digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar, no_type_check

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from numba import config, njit, prange, set_num_threads
from torch import Tensor

from sibyl.methods.sib.gradient_network import EPSILON, GradientNetwork

Array = npt.NDArray[np.float32]
_Function = TypeVar("_Function", bound=Callable[..., Any])
_ZERO, _ONE, _SMALL, _EPSILON = np.float32(0), np.float32(1), np.float32(1e-12), np.float32(EPSILON)


_one_at_a_time = Lock()  # not every pool of threads that the compiler may find bears two callers


def _compiled(function: _Function, parallel: bool = False) -> _Function:
    # Sums may be taken in any order; NaN and infinity keep their meaning.
    compiled: _Function = njit(fastmath={"reassoc", "contract", "nsz", "arcp"}, parallel=parallel, nogil=True, cache=True)(function)
    return compiled


def _in_parallel(function: _Function) -> _Function:
    return _compiled(function, parallel=True)


def run_steps(
    start: Float[Tensor, "task way dim"],
    x: Float[Tensor, "task query dim"],
    scale: float,
    bias: float,
    network: GradientNetwork,
    *,
    factor: float,
    n_steps: int,
    step_size: float,
) -> tuple[Float[Tensor, "task way dim"], Float[Tensor, "task way query"], Float[Tensor, "task way query"]]:
    """Return θᴷ, and the logits at θ⁰ and θᴷ.

    Parameters
    ----------
    start : float32 [task, way, dim]
        θ⁰.
    x : float32 [task, query, dim]
        Queries, two or more in each task, none of them padding.
    scale, bias : float
        s and b of the cosine classifier.
    network : GradientNetwork
        With statistics per episode.
    factor : float
        Before ξ: 1 for a sum over the queries, one over their number for a mean.
    n_steps, step_size : int, float
        K and η.
    """
    layers = [tensor.detach().contiguous().numpy() for tensor in network.parameters()]
    weights = start.detach().clone().contiguous()
    first = x.new_empty(len(x), start.shape[1], x.shape[1])
    last = torch.empty_like(first)
    arrays = [tensor.detach().contiguous().numpy() for tensor in (weights, x, first, last)]
    numbers = [np.float32(value) for value in (scale, bias, factor, step_size)]
    with _threads_of_torch():
        _steps(*arrays, *layers, *numbers, n_steps)
    return weights, first, last


def inner_products(x: Float[Tensor, "task row dim"]) -> Float[Tensor, "task row row"]:
    """Return ``x_i · x_j`` of all rows of each task, float32, each pair computed once; no gradient goes through it."""
    products = x.new_empty(len(x), x.shape[1], x.shape[1])
    with _threads_of_torch():
        _all_inner_products(x.detach().contiguous().numpy(), products.numpy())
    return products


@contextmanager
def _threads_of_torch() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    with _one_at_a_time:
        set_num_threads(min(n_threads, config.NUMBA_NUM_THREADS))
        torch.set_num_threads(n_threads)  # they may share a pool, and starting it sets torch's number, too
        yield


@_compiled
@no_type_check
def _scores(weights: Array, x: Array, scores: Array) -> None:
    """``scores[c, i] = weights[c] · x[i]``, four rows at once: each number that is loaded serves four sums."""
    n_rows, dim = x.shape
    whole = n_rows - n_rows % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        for c in range(len(weights)):
            row = weights[c]
            s0 = s1 = s2 = s3 = _ZERO
            for k in range(dim):
                s0 += row[k] * x0[k]
                s1 += row[k] * x1[k]
                s2 += row[k] * x2[k]
                s3 += row[k] * x3[k]
            scores[c, i], scores[c, i + 1], scores[c, i + 2], scores[c, i + 3] = s0, s1, s2, s3
    for i in range(whole, n_rows):
        for c in range(len(weights)):
            scores[c, i] = _dot(weights[c], x[i])


@_compiled
@no_type_check
def _dot(a: Array, b: Array) -> np.float32:
    total = _ZERO
    for k in range(len(a)):
        total += a[k] * b[k]
    return total


@_compiled
@no_type_check
def _inner_products(x: Array, out: Array) -> None:
    """``out[i, j] = x[i] · x[j]``, in blocks of four by four rows on and below the diagonal; then mirrored."""
    n_rows, dim = x.shape
    whole = n_rows - n_rows % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(0, i + 4, 4):
            y0, y1, y2, y3 = x[j], x[j + 1], x[j + 2], x[j + 3]
            s00 = s01 = s02 = s03 = _ZERO
            s10 = s11 = s12 = s13 = _ZERO
            s20 = s21 = s22 = s23 = _ZERO
            s30 = s31 = s32 = s33 = _ZERO
            for k in range(dim):
                p0, p1, p2, p3, q0, q1, q2, q3 = x0[k], x1[k], x2[k], x3[k], y0[k], y1[k], y2[k], y3[k]
                s00 += p0 * q0
                s01 += p0 * q1
                s02 += p0 * q2
                s03 += p0 * q3
                s10 += p1 * q0
                s11 += p1 * q1
                s12 += p1 * q2
                s13 += p1 * q3
                s20 += p2 * q0
                s21 += p2 * q1
                s22 += p2 * q2
                s23 += p2 * q3
                s30 += p3 * q0
                s31 += p3 * q1
                s32 += p3 * q2
                s33 += p3 * q3
            out[i + 0, j + 0], out[i + 0, j + 1], out[i + 0, j + 2], out[i + 0, j + 3] = s00, s01, s02, s03
            out[i + 1, j + 0], out[i + 1, j + 1], out[i + 1, j + 2], out[i + 1, j + 3] = s10, s11, s12, s13
            out[i + 2, j + 0], out[i + 2, j + 1], out[i + 2, j + 2], out[i + 2, j + 3] = s20, s21, s22, s23
            out[i + 3, j + 0], out[i + 3, j + 1], out[i + 3, j + 2], out[i + 3, j + 3] = s30, s31, s32, s33
    for i in range(whole, n_rows):
        for j in range(i + 1):
            out[i, j] = _dot(x[i], x[j])
    for i in range(n_rows):
        for j in range(i):
            out[j, i] = out[i, j]


@_in_parallel
@no_type_check
def _all_inner_products(x: Array, out: Array) -> None:
    for task in prange(len(x)):
        _inner_products(x[task], out[task])


@_compiled
@no_type_check
def _add_product(factors: Array, rows: Array, out: Array) -> None:
    """``out[c] += Σ_i factors[c, i] rows[i]``, four rows at once."""
    n_rows, dim = rows.shape
    whole = n_rows - n_rows % 4
    for i in range(0, whole, 4):
        r0, r1, r2, r3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for c in range(len(factors)):
            row = out[c]
            f0, f1, f2, f3 = factors[c, i], factors[c, i + 1], factors[c, i + 2], factors[c, i + 3]
            for k in range(dim):
                row[k] += f0 * r0[k] + f1 * r1[k] + f2 * r2[k] + f3 * r3[k]
    for i in range(whole, n_rows):
        for c in range(len(factors)):
            for k in range(dim):
                out[c, k] += factors[c, i] * rows[i, k]


@_compiled
@no_type_check
def _layer(weight: Array, bias: Array, x: Array, out: Array) -> None:
    for c in range(len(out)):
        out[c] = bias[c]
    _add_product(weight, x, out)


@_compiled
@no_type_check
def _rectify_and_standardise(x: Array, weight: Array, bias: Array) -> None:
    """Set each channel's negative numbers to zero, then its mean to 0 and its variance to 1, then scale and shift."""
    share = _ONE / np.float32(x.shape[1])
    for c in range(len(x)):
        row = x[c]
        mean = variance = _ZERO
        for i in range(len(row)):
            row[i] = max(row[i], _ZERO)
            mean += row[i]
        mean *= share
        for i in range(len(row)):
            variance += (row[i] - mean) * (row[i] - mean)
        factor = weight[c] / np.float32(math.sqrt(variance * share + _EPSILON))
        for i in range(len(row)):
            row[i] = (row[i] - mean) * factor + bias[c]


@_in_parallel
@no_type_check
def _steps(
    weights, x, first, last, weight1, bias1, scale1, shift1, weight2, bias2, scale2, shift2, weight3, bias3, scale, bias, factor, step_size,
    n_steps,
):  # fmt: skip
    """Adapt each task; `weights` becomes θᴷ."""
    n_way, dim, n_rows = weights.shape[1], x.shape[2], x.shape[1]
    for task in prange(len(x)):
        size, length = np.empty(n_rows, np.float32), np.empty(n_way, np.float32)
        logits, gradient = np.empty((n_way, n_rows), np.float32), np.empty((n_way, n_rows), np.float32)
        hidden1, hidden2 = np.empty((len(weight1), n_rows), np.float32), np.empty((len(weight2), n_rows), np.float32)
        pull = np.empty((n_way, dim), np.float32)
        rows, theta = x[task], weights[task]
        for i in range(n_rows):
            size[i] = max(np.float32(math.sqrt(_dot(rows[i], rows[i]))), _SMALL)
        for step in range(n_steps + 1):
            _scores(theta, rows, logits)
            for c in range(n_way):
                length[c] = max(np.float32(math.sqrt(_dot(theta[c], theta[c]))), _SMALL)
                for i in range(n_rows):
                    logits[c, i] = scale * (bias + logits[c, i] / (length[c] * size[i]))
            if step == 0:
                first[task] = logits
            if step == n_steps:
                last[task] = logits
                break
            _layer(weight1, bias1, logits, hidden1)
            _rectify_and_standardise(hidden1, scale1, shift1)
            _layer(weight2, bias2, hidden1, hidden2)
            _rectify_and_standardise(hidden2, scale2, shift2)
            _layer(weight3, bias3, hidden2, gradient)
            for c in range(n_way):
                for i in range(n_rows):
                    gradient[c, i] *= factor * scale / (length[c] * size[i])
            pull[:] = _ZERO
            _add_product(gradient, rows, pull)
            for c in range(n_way):
                along = _dot(pull[c], theta[c]) / (length[c] * length[c])
                for k in range(dim):
                    theta[c, k] -= step_size * (pull[c, k] - along * theta[c, k])
