from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from sibyl.methods.universal import UniversalSIB, universal
from sibyl.methods.universal import neighbours as module
from sibyl.methods.universal.neighbours import Nodes
from sibyl.methods.universal.rows import QueryRows, Slice, power_rows
from sibyl.tasks import ClassPrior
from sibyl.threads import n_cores
from tests.methods.contract import make_task

EXPONENT = torch.full((3, 1, 1), 0.5, dtype=torch.float64)


def sliced(nodes: Nodes, unit: torch.Tensor, *, keep: bool = True) -> Slice:
    """All rows as one slice, with or without what is kept of rows and nodes; nothing here looks at weight and graph."""
    blank = unit.new_ones(3, 1, unit.shape[1])
    return Slice(unit, blank, blank, 0, *((nodes.products(unit), nodes.excluded(0, unit.shape[1])) if keep else (None, None)))


def nodes_and_rows(n_query: int = 20) -> tuple[Nodes, torch.Tensor]:
    task = make_task(n_query=n_query)
    return Nodes.of(task, EXPONENT, power_rows(task.support_x, EXPONENT)), power_rows(task.query_x, EXPONENT)


def test_messages_are_means_over_the_other_rows_weighted_by_angles() -> None:
    nodes, unit = nodes_and_rows()
    n_query, way = unit.shape[1], nodes.y.shape[1]
    assigned = torch.rand(3, way, n_query, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(1)
    origin, sharpness = 0.5 * unit.mean(1, keepdim=True), torch.full((3, 1, 1), 7.0, dtype=torch.float64)
    seen, own = nodes.seen_from(origin), unit @ origin.mT
    message, density = seen.messages(sliced(nodes, unit), own, sharpness, assigned)
    for kept, anew in zip(
        (message, density), seen.messages(sliced(nodes, unit, keep=False), own, sharpness, assigned), strict=True
    ):
        assert torch.allclose(kept, anew, rtol=0, atol=1e-12)

    everyone = normalize(nodes.unit - origin, dim=-1)
    weight = (7 * everyone[:, :n_query] @ everyone.mT).exp() * nodes.real[:, None]
    weight[:, torch.arange(n_query), torch.arange(n_query)] = 0
    total = weight.sum(2, keepdim=True)
    assert torch.allclose(message, torch.cat([assigned, nodes.y], 2) @ (weight / total).mT)
    assert torch.allclose(density, (total / nodes.real.sum(1)[:, None, None]).log().mT)


def test_slices_collect_what_the_whole_does() -> None:
    nodes, unit = nodes_and_rows()
    assigned = torch.rand(3, nodes.y.shape[1], unit.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    parts = torch.stack([nodes.collect(assigned[..., start : start + 7], start) for start in (0, 7, 14)]).sum(0)
    assert torch.equal(parts, nodes.collect(assigned, 0))
    assert torch.equal(parts, assigned)


def test_many_rows_hear_chosen_ones_and_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NODES", 16)
    monkeypatch.setattr(universal, "KEPT", 0)
    task = make_task(n_query=60)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UniversalSIB(n_steps=3).double().eval()
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    whole = network.solve(task)
    network.slice_rows = 9
    assert torch.allclose(network.solve(task).logits, whole.logits, atol=1e-8)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    shuffled = replace(task, query_x=task.query_x[:, order], query_mask=task.query_mask[:, order])
    assert torch.allclose(network.solve(shuffled).logits, whole.logits[:, order], atol=1e-8)


@pytest.mark.parametrize("class_prior", [None, "balanced"])
def test_few_slices_of_many_rows_live_at_once(monkeypatch: pytest.MonkeyPatch, class_prior: ClassPrior) -> None:
    monkeypatch.setattr(universal, "KEPT", 0)
    prepare, living, most = QueryRows._prepare, weakref.WeakSet[Slice](), 0

    def counted(rows: QueryRows, number: int, kept: Any = None) -> Slice:
        nonlocal most
        part = prepare(rows, number, kept)
        assert part.products is None
        assert part.excluded is None
        living.add(part)
        most = max(most, len(living))
        return part

    monkeypatch.setattr(QueryRows, "_prepare", counted)
    network = UniversalSIB(n_steps=2).double().eval()
    network.slice_rows = 5
    network.solve(make_task(n_query=60), class_prior)
    assert 0 < most <= 2 * n_cores() + 1


def test_a_row_alone_hears_nothing() -> None:
    task = make_task(n_query=1)
    nothing = replace(task, support_mask=torch.zeros_like(task.support_mask))
    nodes = Nodes.of(nothing, EXPONENT, power_rows(task.support_x, EXPONENT))
    unit = power_rows(task.query_x, EXPONENT)
    seen, own = nodes.seen_from(0 * unit[:, :1]), torch.zeros_like(EXPONENT)
    assigned = torch.ones(3, task.n_way, 1, dtype=torch.float64)
    message, density = seen.messages(sliced(nodes, unit), own, 10 * torch.ones_like(EXPONENT), assigned)
    assert not bool(message.any())
    assert bool(density.isfinite().all())
