"""Methods as tests run them: those that take a thousand slow steps take the first of them."""

from __future__ import annotations

from sibyl.methods import Method, build_method
from sibyl.methods.named import method_by_name

FEWER_STEPS: dict[str, dict[str, object]] = {"alpha_am": {"n_steps": 20}}


def quick_method(name: str, dim: int, n_way: int) -> Method:
    return build_method(name, FEWER_STEPS[name]) if name in FEWER_STEPS else method_by_name(name, dim, n_way)
