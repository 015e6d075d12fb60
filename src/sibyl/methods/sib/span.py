"""The K steps in coordinates: θ never leaves the span of θ⁰ and the queries, so that inner products are all that training needs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def logits_after_steps(
    start: Float[Tensor, "task way dim"],
    x: Float[Tensor, "task row dim"],
    scale: Tensor,
    bias: Tensor,
    output_gradient: Callable[[Tensor], Tensor],
    *,
    n_steps: int,
    step_size: float,
    products: Float[Tensor, "task row row"] | None = None,
) -> Float[Tensor, "task way row"]:
    """Return the cosine classifier's logits at θᴷ, as `adapt` with `CosineScores` gives them.

    With ``θ_c = a_c θ⁰_c + Σ_i b_ci x_i``, ``u_ci = θ_c · x_i`` and ``w_ci = s ξ_ci / (‖θ_c‖ ‖x_i‖)``, a step
    ``θ ← θ − η (Σ_i w_i x_i − κ θ)``, ``κ_c = Σ_i w_ci u_ci / ‖θ_c‖²``, is ``a ← (1 + η κ) a`` and ``b ← (1 + η κ) b − η w``. Its products have as
    many columns as there are queries, not features; the queries' own inner products are taken once, and need no gradient.

    Parameters
    ----------
    start : float [task, way, dim]
        θ⁰.
    x : float [task, row, dim]
        Queries, padding included: its ξ must be zero.
    scale, bias : float [] or [1]
        s and b.
    output_gradient : callable
        ξ, logits [task, way, row] → the same shape.
    n_steps, step_size : int, float
        K and η.
    products : float [task, row, row], optional
        ``x_i · x_j``, where they are known.
    """
    products = x @ x.mT if products is None else products
    length = products.diagonal(dim1=1, dim2=2)[:, None].sqrt().clamp_min(1e-12)
    first, first_norm = start @ x.mT, start.square().sum(-1, keepdim=True)
    a, b = torch.ones_like(first_norm), torch.zeros_like(first)
    u, norm = first, first_norm
    for _ in range(n_steps):
        sizes = norm.sqrt().clamp_min(1e-12) * length
        w = scale * output_gradient(scale * (bias + u / sizes)) / sizes
        growth = 1 + step_size * torch.linalg.vecdot(w, u)[..., None] / norm.clamp_min(1e-24)
        a, b = growth * a, growth * b - step_size * w
        from_start = a * first
        u = from_start + b @ products
        norm = a.square() * first_norm + torch.linalg.vecdot(b, from_start + u)[..., None]
    return scale * (bias + u / (norm.clamp_min(0).sqrt().clamp_min(1e-12) * length))
