"""The gradient network as machine code says what the network says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from sibyl.methods.named import method_by_name
from sibyl.methods.universal import UniversalSIB, assembly, gradient_network, step
from sibyl.methods.universal.gradient_network import N_FEATURES, GradientNetwork
from sibyl.tasks import Task

compiled = pytest.importorskip("sibyl.methods.universal.compiled", exc_type=ImportError)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def network(n_channels: int = 32) -> GradientNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = GradientNetwork(n_channels)
        for parameter in made.parameters():
            parameter.data.normal_(0, 0.4)
    return made


def columns(n_way: int, n_rows: int, *, size: float = 1.0) -> list[Tensor]:
    """As `entry_features` has them: of pairs, rows, classes, and of neither."""
    draw = torch.Generator().manual_seed(1)
    shapes = [(n_way, n_rows)] * 10 + [(1, n_rows)] * 3 + [(n_way, 1)] * 3 + [(1, 1)] * 2
    return [size * torch.randn(1, *shapes[number % N_FEATURES], generator=draw) for number in range(5, 5 + N_FEATURES)]


@pytest.mark.parametrize("n_channels", [8, 32])
@pytest.mark.parametrize(("n_way", "n_rows"), [(1, 40), (2, 16), (3, 17), (7, 33), (100, 263), (300, 20)])
def test_the_code_says_what_the_network_says(n_channels: int, n_way: int, n_rows: int) -> None:
    made, entries = network(n_channels), columns(n_way, n_rows)
    code = made.compiled()
    assert isinstance(code, compiled.Program)
    for mine, theirs in zip(code(entries), made(entries), strict=True):
        assert mine.shape == theirs.shape
        assert (mine - theirs).abs().max() < 2e-6 * max(1.0, float(theirs.abs().max()))


def test_entries_of_any_size_are_answered() -> None:
    """Beyond some five the activation is the identity, or zero."""
    made, entries = network(), columns(5, 64, size=1e3)
    code = made.compiled()
    assert code is not None
    for mine, theirs in zip(code(entries), made(entries), strict=True):
        assert (mine - theirs).abs().max() < 2e-6 * max(1.0, float(theirs.abs().max()))
    entries[0][0, 1, 7] = torch.nan
    offset, _ = code(entries)
    assert bool(offset[..., 7].isnan().all())
    assert not bool(offset[..., :7].isnan().any())


def test_what_the_code_is_not_made_for_goes_to_the_network() -> None:
    made = network()
    code = made.compiled()
    assert code is not None
    for entries in ([one.expand(2, -1, -1) for one in columns(3, 40)], columns(3, 5)):
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(code(entries), made(entries), strict=True))
    assert network(12).compiled() is None  # its channels are no multiple
    assert made.double().compiled() is None
    watched = network()
    watched.register_forward_pre_hook(lambda *_: None)
    assert watched.compiled() is None
    with torch.enable_grad():
        assert network().compiled() is None


def test_many_threads_are_answered_alike() -> None:
    code, entries = network().compiled(), columns(20, 200)
    assert code is not None
    expected = code(entries)[0]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: code(entries)[0], range(16)))
    assert all(torch.equal(one, expected) for one in answers)


def test_a_pile_is_answered_alike_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    centre = torch.randn(10, 32, generator=draw)
    truth, codes = torch.arange(2000) % 10, torch.arange(20) % 10
    x = centre[truth] + 1.5 * torch.randn(2000, 32, generator=draw)
    task = Task((centre[codes] + torch.randn(20, 32, generator=draw))[None], codes[None], x[None], 10)
    method, made, real = method_by_name("universal_sib", 32, 10), [], GradientNetwork.compiled
    assert isinstance(method, UniversalSIB)
    expected = method.solve(task)

    def counted(self: GradientNetwork) -> gradient_network.Entries | None:
        made.append(real(self))
        return made[-1]

    monkeypatch.setattr(GradientNetwork, "compiled", counted)
    method.solve(task)
    assert not made  # too few pairs
    monkeypatch.setattr(step, "MANY_PAIRS", 0)
    answer = method.solve(task)
    assert len(made) == method.n_steps
    assert None not in made
    assert torch.equal(answer.predictions, expected.predictions)
    assert torch.allclose(answer.logits.softmax(2), expected.logits.softmax(2), rtol=0, atol=1e-5)


def test_without_a_working_llvmlite_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network()
    gradient_network.machine_code.cache_clear()
    with monkeypatch.context() as patched:
        patched.delitem(sys.modules, "sibyl.methods.universal.compiled")
        patched.delattr("sibyl.methods.universal.compiled")
        patched.setitem(sys.modules, "llvmlite.binding", None)  # its import fails
        assert made.compiled() is None
    gradient_network.machine_code.cache_clear()
    assert made.compiled() is not None


@pytest.mark.parametrize("text", ["no assembly", "wrong"])
def test_code_that_cannot_be_compiled_or_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    made = network()
    with monkeypatch.context() as patched:
        if text == "wrong":
            patched.setattr(assembly, "UPPER", tuple(2 * one for one in assembly.UPPER))
        else:
            patched.setattr(compiled, "_text", lambda *_: text)
        for cached in (gradient_network.machine_code, compiled._code):
            cached.cache_clear()
        assert made.compiled() is None
    for cached in (gradient_network.machine_code, compiled._code):
        cached.cache_clear()
    assert made.compiled() is not None


def test_neither_autocast_nor_another_default_device_nor_strides_matter() -> None:
    made, entries = network(), columns(5, 40)
    code = made.compiled()
    assert code is not None
    expected = code(entries)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(one, other) for one, other in zip(code(entries), expected, strict=True))
    for layer in (made.enter, made.mix, made.leave):
        layer.weight.data = layer.weight.data.T.contiguous().T
    strided = made.compiled()
    assert strided is not None
    assert all(torch.allclose(one, other) for one, other in zip(strided(entries), expected, strict=True))
    before = torch.random.get_rng_state()
    for context in (torch.device("meta"), torch.autocast("cpu", torch.bfloat16)):
        with context:
            assert compiled.agrees()
    assert torch.equal(before, torch.random.get_rng_state())


def test_rows_of_zeros_are_answered_as_without_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of zeros has no direction, and its distance to the middle is that of the origin."""
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(1, 60, 16, generator=draw)
    x[0, 7] = 0
    seen: list[torch.Tensor] = []
    real = gradient_network.entry_features

    def watched(*arguments: object, **more: object) -> object:
        seen.append(arguments[4])  # type: ignore[arg-type]  # length
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(step, "entry_features", watched)
    task = Task(x[:, :6], torch.arange(6)[None] % 3, x, 3)
    method = method_by_name("universal_sib", 16, 3)
    method.solve(task)
    lengths = seen[0][0, 0]
    assert lengths[7] < 0.9 * float(lengths.mean())
