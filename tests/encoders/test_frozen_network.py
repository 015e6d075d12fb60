"""Networks of other libraries: placed, tried in half precision, batched by shape."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sibyl.encoders.frozen_network import FrozenNetworkEncoder, TorchNetwork, weights_checksum
from sibyl.errors import DataError


def linear(scale: float = 1.0) -> nn.Module:
    module = nn.Linear(4, 3)
    with torch.no_grad():
        module.weight.copy_(torch.arange(12.0).reshape(3, 4) * scale)
        module.bias.zero_()
    return module


def rows(module: nn.Module, batch: Tensor) -> Tensor:
    answer: Tensor = module(batch.mean(1))
    return answer


def test_rows_of_items_of_different_lengths_do_not_depend_on_their_neighbours() -> None:
    network = TorchNetwork(linear(), rows, torch.ones(2, 5, 4), device="cpu")
    encoder = FrozenNetworkEncoder("library", "model", "audio", network, np.asarray)
    items = [np.full((n, 4), n, np.float32) for n in (3, 7, 3, 1)]
    together = encoder.encode(items)
    assert np.array_equal(together, np.concatenate([encoder.encode([item]) for item in items]))
    assert np.array_equal(together[:, 0] / together[0, 0], np.array([1, 7 / 3, 1, 1 / 3], np.float32))
    assert encoder.encode([]).shape == (0, 3)
    assert not network._module.training


def test_half_precision_is_used_only_where_it_is_exact_enough() -> None:
    probe = torch.rand(2, 5, 4, generator=torch.Generator().manual_seed(0))
    assert TorchNetwork(linear(), rows, probe, device="cpu", half=True).half
    # Sums beyond the largest half-precision number become infinite.
    assert not TorchNetwork(linear(1e5), rows, probe, device="cpu", half=True).half

    def cancelling(module: nn.Module, batch: Tensor) -> Tensor:
        return rows(module, batch) - rows(module, batch + 1e-3)

    assert not TorchNetwork(linear(), cancelling, probe, device="cpu", half=True).half


def test_key_follows_weights_settings_and_precision() -> None:
    def key(scale: float = 1.0, side: int = 8, *, half: bool = False) -> str:
        network = TorchNetwork(linear(scale), rows, torch.ones(1, 2, 4), device="cpu", half=half)
        return FrozenNetworkEncoder("library", "model", "image", network, np.asarray, {"side": side}).key

    keys = [key(), key(2.0), key(side=9), key(half=True)]
    assert len(set(keys)) == 4
    assert key() == keys[0]
    assert weights_checksum(nn.Sequential(linear())) != weights_checksum(linear())


def test_an_output_that_is_no_row_per_item_is_refused() -> None:
    with pytest.raises(DataError, match=r"shape \[2, 5, 3\]"):
        TorchNetwork(linear(), lambda module, batch: module(batch), torch.ones(2, 5, 4), device="cpu")
