"""Answers of the shipped network stay what they were when the code around it moves."""

from __future__ import annotations

import numpy as np

from tests.methods.universal.golden import PLACE, kept, solutions


def test_answers_are_those_of_before() -> None:
    with np.load(PLACE) as before:
        for name, solution in solutions():
            for key, value in kept(solution).items():
                if key == "labels":
                    np.testing.assert_array_equal(value, before[f"{name}.{key}"], err_msg=name)
                else:
                    np.testing.assert_allclose(
                        value, before[f"{name}.{key}"], rtol=0, atol=2e-5 if "balanced" in name else 2e-6, err_msg=f"{name} {key}"
                    )
