"""LLVM's assembly language, written line by line: loops, registers of several float32, and the activation of the gradient network."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

LARGEST = 5.2
UPPER = (0.3989400267601013, 0.057115793228149414, 0.0060475231148302555, 0.000401162396883592, 7.401784841931658e-06)
LOWER = (1.0, 0.3098112642765045, 0.04182706028223038, 0.003184677567332983, 0.0001458523329347372, 6.183879008858639e-07)
"""``Φ(x) = 1/2 + x upper(x²) / lower(x²)`` of the normal distribution for ``|x| ≤ LARGEST``: x Φ(x) is 1.2e-6 off at most, beyond too."""


class Assembly:
    """Lines of LLVM's assembly language, each of which gives its value a new name."""

    def __init__(self, lanes: int) -> None:
        self.vector = f"<{lanes} x float>"
        self.lanes = lanes
        self.lines = ["start:"]
        self.block = "start"
        self.names = 0

    def new(self) -> str:
        """Return a name that no value has."""
        self.names += 1
        return f"%v{self.names}"

    def do(self, text: str, last: object = None) -> str:
        """Write an instruction, with a comma and `last` after it where that is given."""
        name = self.new()
        self.lines.append(f"{name} = {text}" + ("" if last is None else f", {last}" if not text.endswith("i64") else f" {last}"))
        return name

    def add(self, a: str, b: object) -> str:
        """Add two integers."""
        return self.do(f"add i64 {a}", b)

    def times(self, a: str, b: object) -> str:
        """Multiply two integers."""
        return self.do(f"mul i64 {a}", b)

    def plus(self, a: str, b: str) -> str:
        """Add two registers."""
        return self.do(f"fadd {self.vector} {a}", b)

    def fused(self, a: str, b: str, c: str) -> str:
        """``a b + c``."""
        arguments = ", ".join(f"{self.vector} {one}" for one in (a, b, c))
        return self.do(f"call {self.vector} @llvm.fmuladd.v{self.lanes}f32({arguments})")

    def constant(self, value: float) -> str:
        """Return a register that holds one number in all places, as float32."""
        (single,) = struct.unpack("f", struct.pack("f", value))
        return "<" + ", ".join([f"float 0x{struct.pack('>d', single).hex()}"] * self.lanes) + ">"

    def splat(self, value: str) -> str:
        """Put one number into all places of a register."""
        single = self.do(f"insertelement {self.vector} poison, float {value}, i64 0")
        return self.do(f"shufflevector {self.vector} {single}, {self.vector} poison, <{self.lanes} x i32> zeroinitializer")

    def address(self, pointer: str, at: object) -> str:
        """Return where a float32 of an array lies."""
        return self.do(f"getelementptr float, ptr {pointer}, i64 {at}")

    def pointer(self, table: str, at: int) -> str:
        """Load a pointer from a table of them."""
        return self.do(f"load ptr, ptr {self.do(f'getelementptr ptr, ptr {table}, i64 {at}')}")

    def load(self, pointer: str, at: object) -> str:
        """Load a register from an array."""
        return self.do(f"load {self.vector}, ptr {self.address(pointer, at)}, align 4")

    def spread(self, pointer: str, at: object) -> str:
        """Load one number into all places of a register."""
        return self.splat(self.do(f"load float, ptr {self.address(pointer, at)}, align 4"))

    def store(self, value: str, pointer: str, at: object) -> None:
        """Write a register to an array."""
        self.lines.append(f"store {self.vector} {value}, ptr {self.address(pointer, at)}, align 4")

    def gelu(self, x: str) -> str:
        """``x Φ(x)``."""
        low, high = self.constant(-LARGEST), self.constant(LARGEST)
        bounded = self._pick("olt", x, high)
        bounded = self._pick("ogt", bounded, low)
        square = self.do(f"fmul {self.vector} {bounded}", bounded)
        upper, lower = (self._polynomial(square, one) for one in (UPPER, LOWER))
        share = self.fused(bounded, self.do(f"fdiv {self.vector} {upper}", lower), self.constant(0.5))
        return self.do(f"fmul {self.vector} {x}", share)

    def _pick(self, how: str, a: str, b: str) -> str:
        """Return ``a`` where it compares so with b, else b."""
        chosen = self.do(f"fcmp {how} {self.vector} {a}", b)
        return self.do(f"select <{self.lanes} x i1> {chosen}, {self.vector} {a}, {self.vector} {b}")

    def _polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        total = self.constant(coefficients[-1])
        for one in coefficients[-2::-1]:
            total = self.fused(total, x, self.constant(one))
        return total

    def each(
        self, count: object, step: int, first: Sequence[str], body: Callable[[str, Sequence[str]], Sequence[str] | None]
    ) -> Sequence[str]:
        """Write a loop over ``0, step, … < count``, once at least; vectors go from one turn of the body to the next."""
        number, carried = self.new(), [self.new() for _ in first]
        name, before, place = f"loop{number[2:]}", self.block, len(self.lines)
        self.block = name
        after = body(number, carried) or ()
        following = self.do(f"add i64 {number}", step)
        again = self.do(f"icmp ult i64 {following}", count)
        self.lines += [f"br i1 {again}, label %{name}, label %{name}end", f"{name}end:"]
        heads = [f"{number} = phi i64 [ 0, %{before} ], [ {following}, %{self.block} ]"]
        heads += [
            f"{one} = phi {self.vector} [ {start}, %{before} ], [ {end}, %{self.block} ]"
            for one, start, end in zip(carried, first, after, strict=True)
        ]
        self.lines[place:place] = [f"br label %{name}", f"{name}:", *heads]
        self.block = f"{name}end"
        return after
