"""Names of classes as evidence: they help where they agree with the examples, and cost nothing where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from sibyl import SIBClassifier
from sibyl.errors import DataError
from sibyl.transduction.class_names import among_rows, weigh_names

N_WAY, DIM = 6, 24


def pile(seed: int = 0, noise: float = 0.45) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, their classes, and the classes' names: to one side, as texts beside images lie."""
    generator = np.random.default_rng(seed)
    middles = generator.standard_normal((N_WAY, DIM)) / DIM**0.5
    truth = np.repeat(np.arange(N_WAY), 40)
    rows = middles[truth] + noise * generator.standard_normal((len(truth), DIM)) / DIM**0.5
    names = middles + 0.2 * generator.standard_normal((N_WAY, DIM)) / DIM**0.5 + 3 / DIM**0.5
    return rows, truth, names


def one_each(truth: np.ndarray) -> np.ndarray:
    y = np.full(len(truth), -1)
    firsts = np.unique(truth, return_index=True)[1]
    y[firsts] = truth[firsts]
    return y


def test_names_alone_label_the_rows() -> None:
    rows, truth, names = pile()
    found = SIBClassifier().fit(rows, np.full(len(rows), -1), class_vectors=dict(enumerate(names)))
    assert found.classes_.tolist() == list(range(N_WAY))
    assert (found.transduction_ == truth).mean() > 0.9
    assert set(found.class_names_.values()) == {"name used, nothing to compare it with"}


def test_names_may_be_of_classes_that_no_row_has() -> None:
    rows, truth, names = pile()
    y = np.where(one_each(truth) < 4, one_each(truth), -1)
    found = SIBClassifier().fit(rows, y, class_vectors=dict(enumerate(names)))
    assert found.classes_.tolist() == list(range(N_WAY))
    assert (found.transduction_ == truth).mean() > 0.9
    assert "nothing to compare" in found.class_names_[5]
    partly = SIBClassifier().fit(rows, y, class_vectors={one: names[one] for one in (2, 3, 4, 5)})
    assert (partly.transduction_ == truth).mean() > 0.9
    assert partly.class_names_[0] == "no name"


def test_names_that_agree_help_and_others_cost_nothing() -> None:
    gain, cost = [], []
    for seed in range(3):
        rows, truth, names = pile(seed, noise=1.6)
        y = one_each(truth)
        untold = SIBClassifier().fit(rows, y)
        right = SIBClassifier().fit(rows, y, class_vectors=dict(enumerate(names)))
        moved = SIBClassifier().fit(rows, y, class_vectors=dict(enumerate(np.roll(names, 1, 0))))
        gain.append((right.transduction_ == truth).mean() - (untold.transduction_ == truth).mean())
        cost.append(np.abs(moved.label_distributions_ - untold.label_distributions_).max())
        assert all("not used" in words for words in moved.class_names_.values())
    assert np.mean(gain) > 0.03
    assert cost == [0.0] * 3


def test_the_mix_of_the_classes_does_not_draw_the_names_to_one_side() -> None:
    generator = np.random.default_rng(3)
    middles = np.eye(N_WAY, DIM)
    truth = np.repeat(np.arange(N_WAY), [200, 80, 10, 10, 10, 10])
    rows = middles[truth] + 0.15 * generator.standard_normal((len(truth), DIM))
    names = (middles + 2 / DIM**0.5).astype(np.float32)
    nobody, none = np.zeros((0, DIM), np.float32), np.zeros(0, np.int64)
    moved = among_rows(names, weigh_names(names, nobody, none), nobody, none, rows)
    lengths = np.linalg.norm(rows, axis=1).mean()
    true = np.stack([rows[truth == one].mean(0) for one in range(N_WAY)])
    apart = np.linalg.norm((moved - true).mean(0)) / lengths
    naive = np.linalg.norm(rows.mean(0) - true.mean(0)) / lengths
    assert apart < naive / 2


def test_one_wrong_name_among_right_ones_is_left_out() -> None:
    rows, truth, names = pile()
    names[2] = -names[2] + 2 * names.mean(0)
    evidence = weigh_names(names.astype(np.float32), rows[::40], truth[::40])
    assert evidence.believed.tolist() == [True, True, False, True, True, True]
    assert evidence.note([f"c{one}" for one in range(N_WAY)]) == (
        "the names of 5 of 6 classes were used; they disagree with the examples for 'c2'"
    )


def test_one_odd_example_does_not_speak_against_a_name_and_two_do() -> None:
    middles = np.eye(8, dtype=np.float32)
    odd = middles.copy()
    odd[2] = 0.3
    odd[2, 2] = 0.2  # an example that is a little less like its name than like any other
    once = weigh_names(middles, odd, np.arange(8))
    assert -0.1 < once.likeness[2] < 0.1
    assert once.believed.all()
    twice = weigh_names(middles, np.concatenate([odd, odd]), np.tile(np.arange(8), 2))
    np.testing.assert_allclose(twice.likeness, once.likeness)
    assert twice.believed.tolist() == [True, True, False, True, True, True, True, True]


def test_two_exchanged_names_are_left_out_and_the_others_are_not() -> None:
    middles = np.eye(8, dtype=np.float32)
    exchanged = weigh_names(middles[[0, 1, 3, 2, 4, 5, 6, 7]], middles, np.arange(8))
    assert exchanged.believed.tolist() == [True, True, False, False, True, True, True, True]


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ({0: [1.0, 2.0]}, r"class_vectors\[0\] must be 24 numbers, as the rows of X have, got shape \[2\]"),
        ({0: np.full(DIM, np.nan)}, "must hold finite numbers"),
        ({0: np.zeros(DIM)}, "not all 0"),
        ({0: "north"}, "must be 24 numbers"),
        ({"zero": np.ones(DIM)}, "names 'zero', but y holds labels of another kind"),
    ],
)
def test_what_is_no_name_is_one_sentence(vectors: dict[object, object], said: str) -> None:
    rows, truth, _ = pile()
    with pytest.raises(DataError, match=said):
        SIBClassifier().fit(rows, one_each(truth), class_vectors=vectors)
