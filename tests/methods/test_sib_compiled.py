"""SIB's steps as machine code give what torch gives, and only where they may."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from sibyl.methods.sib import SIB, sib
from sibyl.tasks import Episode, Solution, Task

pytest.importorskip("numba")
from sibyl.methods.sib.compiled import inner_products


def task(n_tasks: int = 3, n_way: int = 5, n_query: int = 15, dim: int = 12) -> Task:
    draw = torch.Generator().manual_seed(0)
    support = torch.randn(n_tasks, n_way, dim, generator=draw)
    query = torch.randn(n_tasks, n_query, dim, generator=draw)
    return Task(support, torch.arange(n_way).expand(n_tasks, -1).contiguous(), query, n_way)


def network(n_way: int = 5, dim: int = 12, n_steps: int = 3, **settings: object) -> SIB:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = SIB(dim, n_way, n_steps=n_steps, step_size=0.05, normalisation="episode", **settings)  # type: ignore[arg-type]
        for parameter in made.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        made.bias.data += 0.3
    return made.eval()


def both(made: SIB, here: Task, monkeypatch: pytest.MonkeyPatch) -> tuple[Solution, Solution]:
    assert made._is_compilable(made._prepared(here))
    compiled = made.solve(here)
    with monkeypatch.context() as patched:
        patched.setattr(sib, "machine_code", lambda: None)
        return compiled, made.solve(here)


@pytest.mark.parametrize(("n_way", "n_query", "dim"), [(5, 15, 12), (2, 2, 3), (7, 33, 641), (3, 8, 16)])
@pytest.mark.parametrize("n_steps", [0, 1, 3])
def test_it_gives_what_torch_gives(monkeypatch: pytest.MonkeyPatch, n_way: int, n_query: int, dim: int, n_steps: int) -> None:
    made, here = network(n_way, dim, n_steps), task(3, n_way, n_query, dim)
    before = here.query_x.clone()
    compiled, by_torch = both(made, here, monkeypatch)
    # Sums of 641 products in another order differ by 1e-4 from double precision, either way.
    assert torch.allclose(compiled.logits, by_torch.logits, atol=5e-4)
    assert compiled.inductive_logits is not None
    assert by_torch.inductive_logits is not None
    assert torch.allclose(compiled.inductive_logits, by_torch.inductive_logits, atol=1e-4)
    if n_steps and n_query > 2:
        assert not torch.allclose(compiled.logits, compiled.inductive_logits, atol=1e-2)
    assert compiled.classifier is not None
    assert by_torch.classifier is not None
    assert torch.allclose(compiled.classifier(here.query_x), by_torch.classifier(here.query_x), atol=5e-4)
    assert torch.equal(here.query_x, before)


@pytest.mark.parametrize("made", [network(reduction="mean"), network(power=0.7)])
def test_settings(monkeypatch: pytest.MonkeyPatch, made: SIB) -> None:
    compiled, by_torch = both(made, task(), monkeypatch)
    assert torch.allclose(compiled.logits, by_torch.logits, atol=5e-4)  # torch itself rounds by 1e-4


def test_rows_that_do_not_lie_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    here = task()
    turned = replace(here, query_x=here.query_x.transpose(1, 2).contiguous().transpose(1, 2))
    assert torch.equal(network().solve(turned).logits, network().solve(here).logits)


def test_what_it_is_not_for() -> None:
    here, made = task(), network()
    assert made._is_compilable(here)
    mask = here.query_mask.clone()
    mask[0, -1] = False
    assert not made._is_compilable(replace(here, query_mask=mask))
    assert not made._is_compilable(task(n_query=1))
    assert not network(prior=True)._is_compilable(here)
    assert not SIB(12, 5)._is_compilable(here)  # statistics over all tasks of a batch
    assert not network().double()._is_compilable(here.to(torch.float64))


@pytest.mark.parametrize(("n_query", "dim"), [(1, 3), (4, 5), (15, 12), (75, 641)])
def test_inner_products(n_query: int, dim: int) -> None:
    x = task(2, n_query=n_query, dim=dim).query_x
    products = inner_products(x)
    assert torch.allclose(products, x @ x.mT, rtol=1e-5, atol=1e-4)
    assert torch.equal(products, products.mT)


def test_training_has_the_gradients_that_torch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    made, here = network(dim=64), task(dim=64)
    episode = Episode(here, torch.arange(45).view(3, 15) % 5)
    assert made._inner_products(here.query_x) is not None
    assert made._inner_products(here.query_x.clone().requires_grad_()) is None
    found, code = [], sib.machine_code()
    assert code is not None
    for has_numba in (True, False):
        monkeypatch.setattr(sib, "machine_code", lambda found=code if has_numba else None: found)
        made.zero_grad()
        made.objective(episode).loss.backward()
        found.append([parameter.grad.clone() for parameter in made.parameters() if parameter.grad is not None])
    assert len(found[0]) == len(found[1]) > 8
    for mine, theirs in zip(*found, strict=True):
        assert (mine - theirs).abs().max() < 1e-3 * theirs.abs().max()


def test_threads_are_as_they_were_and_callers_may_be_many() -> None:
    made, here = network(), task(64)
    expected = made.solve(here).logits
    assert torch.get_num_threads() == 1
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: made.solve(here).logits, range(16)))
    assert all(torch.equal(one, expected) for one in answers)


def test_a_numba_that_does_not_work_here_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = network().solve(task()).logits
    sib.machine_code.cache_clear()
    with monkeypatch.context() as patched:
        patched.delitem(sys.modules, "sibyl.methods.sib.compiled")
        patched.delattr("sibyl.methods.sib.compiled")
        patched.setitem(sys.modules, "numba", None)  # its import fails
        assert sib.machine_code() is None
        assert torch.allclose(network().solve(task()).logits, expected, atol=1e-4)
    sib.machine_code.cache_clear()
    assert sib.machine_code() is not None
