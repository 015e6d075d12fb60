"""The small networks that everything learned here is made of."""

from __future__ import annotations

from torch import nn


def perceptron(n_in: int, n_hidden: int, n_out: int, *, quiet: bool = True) -> nn.Sequential:
    """Two hidden layers with GELU; with `quiet` it answers 0 until it is trained, so that a network begins at what it corrects."""
    network = nn.Sequential(
        nn.Linear(n_in, n_hidden), nn.GELU(), nn.Linear(n_hidden, n_hidden), nn.GELU(), nn.Linear(n_hidden, n_out)
    )
    if quiet:
        last = network[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return network
