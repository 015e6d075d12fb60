"""K steps of gradient descent with inferred gradients: a pure function that knows nothing of classification.

It serves the published SIB, regression, and tasks without any support (θ⁰ may come from anywhere). Universal SIB has a step of its
own, `universal.step.take_step`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Outputs are tensors, or whatever a given transposed Jacobian understands.
Predictor = Callable[[Tensor], Any]
OutputGradient = Callable[[Any], Any]
WeightGradient = Callable[[Tensor], Tensor]
TransposedJacobian = Callable[[Tensor, Any], Tensor]


def adapt(
    weights: Tensor,
    predict: Predictor,
    output_gradient: OutputGradient,
    *,
    n_steps: int,
    step_size: float | Tensor,
    weight_gradient: WeightGradient | None = None,
    transposed_jacobian: TransposedJacobian | None = None,
) -> list[Tensor]:
    """Run ``θ^{k+1} = θ^k − η (Σ_i ξ(ŷ_i) ∂ŷ_i/∂θ + r(θ^k))`` for k = 0 … K − 1.

    The sum over i is the product of the predictor's transposed Jacobian with ξ. It is differentiable, so training can pass through all
    K steps (Hu et al. 2020, equation 9 and algorithm 1).

    ======== ====================================================
    symbol   argument
    ======== ====================================================
    θ⁰       `weights`
    ŷ(θ)     `predict`
    ξ        `output_gradient`
    r        `weight_gradient`, for example ∂KL(q ‖ p_ψ)/∂θ
    K, η     `n_steps`, `step_size`
    ======== ====================================================

    Parameters
    ----------
    weights : tensor, any shape
        θ⁰.
    predict : callable
        Weights → outputs on the unlabelled items, any shape.
    output_gradient : callable
        Outputs → the gradient of the loss with respect to them, same shape; zero rows add nothing. A mean over items instead of a sum is
        a matter of this function.
    n_steps : int
        K.
    step_size : float or tensor that broadcasts against `weights`
        η.
    weight_gradient : callable, optional
        Weights → a gradient that depends on the weights alone, same shape.
    transposed_jacobian : callable, optional
        Weights, ξ there → the sum over i, where the predictor has a closed form of it; without one, autograd finds it. With one, outputs
        need not be a tensor.

    Returns
    -------
    list of tensor
        θ⁰ … θᴷ.
    """
    trajectory = [weights]
    step = torch.as_tensor(step_size, dtype=weights.dtype, device=weights.device)
    for _ in range(n_steps):
        if transposed_jacobian is None:
            gradient = _by_autograd(weights, predict, output_gradient)
        else:
            gradient = transposed_jacobian(weights, output_gradient(predict(weights)))
        if weight_gradient is not None:
            gradient = gradient + weight_gradient(weights)
        weights = torch.addcmul(weights, step, gradient, value=-1)
        trajectory.append(weights)
    return trajectory


def _by_autograd(weights: Tensor, predict: Predictor, output_gradient: OutputGradient) -> Tensor:
    training = torch.is_grad_enabled()
    with torch.enable_grad():
        point = weights if training and weights.requires_grad else weights.detach().requires_grad_()
        outputs = predict(point)
    return torch.autograd.grad(outputs, point, output_gradient(outputs), create_graph=training)[0]
