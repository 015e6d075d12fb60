from __future__ import annotations

import torch

from sibyl.methods.preprocessing import Preparation, leading_axes, power_transform
from sibyl.methods.task_rows import all_rows
from tests.methods.contract import make_task, pad


def test_power_transform_is_odd_up_to_the_offset() -> None:
    x = torch.tensor([[[4.0, 9.0, 0.0]]], dtype=torch.float64)
    assert torch.allclose(power_transform(x, 0.5), torch.tensor([[[2.0, 3.0, 1e-3]]], dtype=torch.float64))
    assert torch.equal(power_transform(-x[..., :2], 0.3), -power_transform(x[..., :2], 0.3))


def test_preparation_is_power_unit_centre_unit() -> None:
    x, mask, _ = all_rows(make_task())
    by_hand = power_transform(x, 0.5)
    by_hand = by_hand / by_hand.norm(dim=-1, keepdim=True)
    mean = torch.stack([rows[real].mean(0, keepdim=True) for rows, real in zip(by_hand, mask, strict=True)])
    by_hand = by_hand - mean
    by_hand = by_hand / by_hand.norm(dim=-1, keepdim=True)
    assert torch.allclose(Preparation.fit(x, mask)(x), by_hand)


def test_padding_changes_nothing() -> None:
    task = make_task(n_tasks=1)
    x, mask, _ = all_rows(task)
    padded_x, padded_mask, _ = all_rows(pad(task, 4, 6))
    for n_axes in (None, 10):
        plain, padded = Preparation.fit(x, mask, n_axes=n_axes), Preparation.fit(padded_x, padded_mask, n_axes=n_axes)
        ours, theirs = plain(x)[mask], padded(x)[mask]
        assert torch.allclose(ours @ ours.mT, theirs @ theirs.mT, atol=1e-6)  # axes are fixed up to a rotation


def test_leading_axes_are_those_of_the_singular_value_decomposition() -> None:
    draw = torch.Generator().manual_seed(0)
    for n_rows, dim in ((12, 30), (30, 12)):
        x = torch.randn(2, n_rows, dim, generator=draw, dtype=torch.float64)
        axes = leading_axes(x, 5)
        reference = torch.linalg.svd(x)[2][:, :5].mT
        assert torch.allclose(axes @ axes.mT, reference @ reference.mT, atol=1e-8)


def test_leading_axes_beyond_the_rank_are_zero() -> None:
    x = torch.randn(1, 6, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(
        2, 40, generator=torch.Generator().manual_seed(1)
    )
    axes = leading_axes(x, 6)
    assert bool(axes.isfinite().all())
    assert torch.allclose((x @ axes).norm(dim=-1), x.norm(dim=-1), rtol=1e-4)
    assert int((axes.norm(dim=1) > 0.5).sum()) == 2
