"""The gradient network of many rows as machine code; needs llvmlite, which the extra ``fast`` brings with numba.

Torch writes every layer's numbers of every pair of row and class to memory and reads them again. Here a few rows, as many as a register of
the processor holds numbers, go through all layers with all their classes before the next ones come. The equations are those of
`sibyl.methods.universal.gradient_network`; sums are taken in another order, which moves offsets in the sixth digit.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import cache

import llvmlite.binding as llvm
import torch
from jaxtyping import Float
from torch import Tensor

from sibyl.methods.universal.assembly import Assembly
from sibyl.methods.universal.gradient_network import GradientNetwork

GROUP = 8  # channels that are summed side by side: enough to keep the processor busy, few enough for its registers


class Program:
    """A gradient network with its present weights, for slices of one task.

    Parameters
    ----------
    network : GradientNetwork
        In float32 on the processor; its channels are a multiple of `GROUP`.
    """

    def __init__(self, network: GradientNetwork) -> None:
        of_pair, of_mean = network.mix.weight.chunk(2, 1)
        n_channels = network.enter.out_features
        self._network, self._of_mean = network, of_mean.contiguous()
        self._mix = of_pair.reshape(n_channels // GROUP, GROUP, n_channels).mT.contiguous()
        self._bias, self._leave = network.mix.bias.contiguous(), network.leave.weight.contiguous()
        self._enter: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, features: Sequence[Tensor]) -> tuple[Float[Tensor, "task way row"], Float[Tensor, "task 1 row"]]:
        """Return what the network says: offsets, and the weight of each row."""
        with torch.autocast("cpu", enabled=False):  # it would make arrays of another type than the code writes
            return self._answer(features)

    def _answer(self, features: Sequence[Tensor]) -> tuple[Float[Tensor, "task way row"], Float[Tensor, "task 1 row"]]:
        network = self._network
        n_tasks, n_way, n_rows = map(max, zip(*(one.shape for one in features), strict=True))
        is_plain = all(one.dtype == torch.float32 and one.device.type == "cpu" for one in features)
        if n_tasks > 1 or n_rows < rows_at_once() or not is_plain:
            offset, weight = network(features)
            return offset, weight
        kinds: dict[tuple[bool, bool], list[int]] = {(a, b): [] for a in (False, True) for b in (False, True)}
        for number, one in enumerate(features):
            kinds[one.shape[1] > 1, one.shape[2] > 1].append(number)
        constants, rows, classes, pairs = kinds.values()
        # The first layer is linear: what does not depend on the pair is added once for each row and class.
        of_rows = self._entering(rows) @ torch.cat([features[m][0] for m in rows] or [features[0].new_zeros(0, n_rows)])
        one = torch.cat([features[m][0].expand(n_way, 1) for m in (*classes, *constants)], 1)
        of_classes = torch.addmm(network.enter.bias, one, self._entering((*classes, *constants)).T)
        n_channels, lanes = len(of_rows), rows_at_once()
        entries = [features[m].contiguous() for m in pairs]
        addresses = (ctypes.c_void_p * len(entries))(*(one.data_ptr() for one in entries))
        offset, count = of_rows.new_empty(1, n_way, n_rows), of_rows.new_empty(1, 1, n_rows)
        arrays = (
            of_rows, of_classes, self._entering(pairs), self._mix, self._of_mean / n_way, self._bias, self._leave,
            of_rows.new_empty((n_way + 2) * n_channels * lanes), offset, count,
        )  # fmt: skip
        assert all(one.dtype == torch.float32 and one.is_contiguous() for one in arrays)
        _code(len(entries), n_channels)(n_way, n_rows, addresses, *(one.data_ptr() for one in arrays))
        return offset, count.add_(network.leave.bias[1]).sigmoid_()

    def _entering(self, numbers: Sequence[int]) -> Float[Tensor, "channel column"]:
        """Return the first layer's weights of some columns."""
        key = tuple(numbers)
        if key not in self._enter:
            self._enter[key] = self._network.enter.weight[:, list(key)].contiguous()
        return self._enter[key]


def agrees() -> bool:
    """Whether the code can be compiled here and says what torch says, tried on a few rows of three classes."""
    if llvm.llvm_version_info < (16,):  # older ones do not read pointers without a type
        return False
    llvm.check_jit_execution()
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        return _agrees()


def _agrees() -> bool:
    with torch.device("meta"):  # draws no random numbers
        network = GradientNetwork(4 * GROUP)
    network = network.to_empty(device="cpu").float()

    def waves(*shape: int) -> Tensor:
        return torch.arange(math.prod(shape), dtype=torch.float32, device="cpu").sin().view(shape)

    for parameter in network.parameters():
        parameter.copy_(waves(*parameter.shape) / 2)
    shapes = [(3, 20)] * 10 + [(1, 20)] * 3 + [(3, 1)] * 3 + [(1, 1)] * 2
    features = [(number + 1) * waves(1, *shape) for number, shape in enumerate(shapes)]
    return all(
        mine.dtype == torch.float32 and torch.allclose(mine, other, atol=1e-4)
        for mine, other in zip(Program(network)(features), network(features), strict=True)
    )


@cache
def rows_at_once() -> int:
    """Return how many float32 a register of this processor holds."""
    return 16 if llvm.get_host_cpu_features().get("avx512f") else 8


@cache
def _code(n_columns: int, n_channels: int) -> Callable[..., None]:
    """Compile `_text` for this processor; the function releases Python's lock."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    module = llvm.parse_assembly(_text(n_columns, n_channels, rows_at_once()))
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_void_p] * 11)
    function = kind(engine.get_function_address("network"))
    function.engine = engine  # type: ignore[attr-defined]  # the code lives as long as this does
    return function


def _text(n_columns: int, n_channels: int, lanes: int) -> str:
    """Write the function in LLVM's assembly language, unrolled over columns and channels."""
    code = Assembly(lanes)
    last = code.do("sub i64 %n_rows", lanes)

    def of_rows(at: str, _: Sequence[str]) -> Sequence[str]:
        # The last rows overlap with those before them where their number is not a multiple: they are answered twice, alike.
        row = code.do(f"select i1 {code.do(f'icmp ult i64 {at}', last)}, i64 {at}, i64", last)
        code.each(n_channels, 1, (), lambda k, _: code.store(code.constant(0.0), "%scratch", code.times(k, lanes)))

        def enter(way: str, _: Sequence[str]) -> Sequence[str]:
            here = code.add(code.do(f"mul i64 {way}", "%n_rows"), row)
            entries = [code.load(code.pointer("%columns", m), here) for m in range(n_columns)]

            def of_channel(k: str, _: Sequence[str]) -> Sequence[str]:
                total = code.load("%of_row", code.add(code.do(f"mul i64 {k}", "%n_rows"), row))
                total = code.plus(total, code.spread("%of_class", code.add(code.times(way, n_channels), k)))
                for m, entry in enumerate(entries):
                    total = code.fused(entry, code.spread("%enter", code.add(code.times(k, n_columns), m)), total)
                total = code.gelu(total)
                code.store(total, "%scratch", code.times(code.add(code.times(code.add(way, 2), n_channels), k), lanes))
                code.store(code.plus(total, code.load("%scratch", code.times(k, lanes))), "%scratch", code.times(k, lanes))
                return ()

            code.each(n_channels, 1, (), of_channel)
            return ()

        code.each("%n_way", 1, (), enter)

        def of_mean(j: str, _: Sequence[str]) -> Sequence[str]:
            total = code.spread("%bias", j)
            for k in range(n_channels):
                weight = code.spread("%mean", code.add(code.times(j, n_channels), k))
                total = code.fused(code.load("%scratch", k * lanes), weight, total)
            code.store(total, "%scratch", code.times(code.add(j, n_channels), lanes))
            return ()

        code.each(n_channels, 1, (), of_mean)

        def mix(way: str, sums: Sequence[str]) -> Sequence[str]:
            hidden = code.times(code.times(code.add(way, 2), n_channels), lanes)

            def of_group(group: str, ends: Sequence[str]) -> Sequence[str]:
                first = code.times(group, GROUP)
                totals = [code.load("%scratch", code.times(code.add(code.add(first, n_channels), j), lanes)) for j in range(GROUP)]
                for k in range(n_channels):
                    entry = code.load("%scratch", code.add(hidden, k * lanes))
                    for j in range(GROUP):
                        weight = code.spread("%mix", code.add(code.times(group, GROUP * n_channels), k * GROUP + j))
                        totals[j] = code.fused(entry, weight, totals[j])
                offset, count = ends
                for j in range(GROUP):
                    channel = code.add(first, j)
                    entry = code.plus(code.gelu(totals[j]), code.load("%scratch", code.add(hidden, code.times(channel, lanes))))
                    offset = code.fused(entry, code.spread("%leave", channel), offset)
                    count = code.fused(entry, code.spread("%leave", code.add(channel, n_channels)), count)
                return offset, count

            offset, count = code.each(n_channels // GROUP, 1, (code.constant(0.0),) * 2, of_group)
            code.store(offset, "%offset", code.add(code.do(f"mul i64 {way}", "%n_rows"), row))
            return code.plus(sums[0], offset), code.plus(sums[1], count)

        sums = code.each("%n_way", 1, (code.constant(0.0),) * 2, mix)
        ways = code.splat(code.do("uitofp i64 %n_way to float"))
        mean, count = (code.do(f"fdiv {code.vector} {one}", ways) for one in sums)
        code.store(count, "%count", row)

        def centre(way: str, _: Sequence[str]) -> Sequence[str]:
            here = code.add(code.do(f"mul i64 {way}", "%n_rows"), row)
            code.store(code.do(f"fsub {code.vector} {code.load('%offset', here)}", mean), "%offset", here)
            return ()

        code.each("%n_way", 1, (), centre)
        return ()

    code.each("%n_rows", lanes, (), of_rows)
    names = ("columns", "of_row", "of_class", "enter", "mix", "mean", "bias", "leave", "scratch", "offset", "count")
    pointers = ", ".join(f"ptr noalias %{name}" for name in names)
    attributes = f'"prefer-vector-width"="{32 * lanes}" "min-legal-vector-width"="{32 * lanes}"'
    declared = f"declare {code.vector} @llvm.fmuladd.v{lanes}f32({', '.join([code.vector] * 3)})"
    return "\n".join(
        [declared, f"define void @network(i64 %n_way, i64 %n_rows, {pointers}) {attributes} {{", *code.lines, "ret void", "}"]
    )
