"""Every method, held to the contract and to what it declares."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields

import pytest
import torch

from sibyl.methods import METHODS, LearnedMethod, Method, build_method
from sibyl.methods.universal import UniversalSIB
from sibyl.tasks import Solution, Task
from tests.methods.contract import CHECKS, DIM, N_WAY, Check, check_chunked
from tests.methods.quick import FEWER_STEPS


# How a method that declares `chunked` is run over slices of the queries: name → (method, task, rows per slice) → solution.
def universal_in_slices(method: Method, task: Task, n_rows: int) -> Solution:
    assert isinstance(method, UniversalSIB)
    sliced = copy.deepcopy(method)
    sliced.slice_rows = n_rows
    return sliced.solve(task)


SOLVE_IN_SLICES: dict[str, Callable[[Method, Task, int], Solution]] = {"universal_sib": universal_in_slices}

# Settings other than the published ones whose code paths the contract holds too: "name/variant" → settings.
VARIANTS: dict[str, dict[str, object]] = {
    "paddle/range": {"temperature": None},
    "tim/gradient": {"solver": "gradient", "learning_rate": 1e-3, "n_steps": 100},
    "laplacian_shot/plain": {"rectified": False},
    "pt_map/uncentred": {"centred": False, "unit_length": False, "regularisation": 0.3},
}


def build(name: str) -> Method:
    kind = METHODS[name.partition("/")[0]]
    if issubclass(kind, LearnedMethod):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return kind.for_shape(DIM, N_WAY).eval()
    return build_method(kind.name, VARIANTS.get(name) or FEWER_STEPS.get(name))


CASES = [
    pytest.param(name, check, id=f"{name}-{check.__name__}")
    for name in (*METHODS, *VARIANTS)
    for check, applies in CHECKS.items()
    if applies(METHODS[name.partition("/")[0]].traits)
]


@pytest.mark.parametrize(("name", "check"), CASES)
def test_method_keeps_the_contract(name: str, check: Check) -> None:
    check(build(name))


def test_chunked_methods_add_up() -> None:
    assert set(SOLVE_IN_SLICES) == {name for name in METHODS if METHODS[name].traits.chunked}
    for name, solve_in_slices in SOLVE_IN_SLICES.items():
        check_chunked(build(name), solve_in_slices)


def test_task_has_no_place_for_query_labels() -> None:
    assert {field.name for field in fields(Task)} == {"support_x", "support_y", "query_x", "n_way", "support_mask", "query_mask"}


def test_names_are_those_of_the_table() -> None:
    assert all(name == method.name for name, method in METHODS.items())
