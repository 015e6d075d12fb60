"""What is known of the class mix, as people know it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sibyl import SIBClassifier, label
from sibyl.errors import DataError
from sibyl.labeling.next_labels import next_labels
from sibyl.transduction.class_prior import RoughMix, read_class_prior, read_mix

CLASSES = ["cat", "dog", "fox"]


def test_shares_are_exact_and_counts_and_words_are_rough() -> None:
    assert read_class_prior(None, CLASSES) is None
    assert read_class_prior("balanced", CLASSES) == "balanced"
    shares = read_class_prior({"cat": 0.75, "dog": 0.25}, CLASSES)
    assert isinstance(shares, torch.Tensor)
    assert shares.tolist() == [0.75, 0.25, 0.0]
    few, many, words = (read_class_prior(one, CLASSES) for one in ({"cat": 6, "dog": 3}, [600, 300, 0], {"fox": "rare"}))
    assert isinstance(few, RoughMix)
    assert isinstance(many, RoughMix)
    assert isinstance(words, RoughMix)
    assert few.shares.tolist() == pytest.approx([7 / 12, 4 / 12, 1 / 12])
    assert 0 < few.firmness(0.3) < many.firmness(0.3) < 1
    assert few.firmness(0.05) < 0.1 < 0.4 < few.firmness(0.4)  # rows that are sure know the mix better than nine counted items
    assert words.shares.tolist() == pytest.approx([1 / 2.1, 1 / 2.1, 0.1 / 2.1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cow": 3}, "names 'cow', which has no labelled row"),
        ({"cat": "seldom"}, "says 'seldom' of a class; expected one of rare"),
        ({"cat": "rare", "dog": 3}, "says 3 of a class"),
        ({"cat": 0.5, "dog": 0.4}, "shares ≥ 0 that sum to 1, or counts"),
        ([1.5, 2.0, 3.0], "shares ≥ 0 that sum to 1, or counts"),
        ({"cat": -1, "dog": 2}, "shares ≥ 0"),
        ([float("nan"), 0.5, 0.5], "shares ≥ 0"),
        ([0.5, 0.5], "one share for each of the 3 classes"),
        ("even", "'balanced'"),
    ],
)
def test_what_cannot_be_understood_is_one_sentence(given: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_class_prior(given, CLASSES)


def test_a_blend_lies_between_what_is_told_and_what_the_rows_say() -> None:
    told, own = torch.tensor([0.8, 0.2]), torch.tensor([0.2, 0.8])
    for firmness, share in ((1.0, 0.8), (0.0, 0.2), (0.5, 0.5)):
        assert RoughMix(told, 15.0).blended(own, firmness).tolist() == pytest.approx([share, 1 - share])


def test_the_command_line_writes_a_mix() -> None:
    assert read_mix("cat=60, dog=30") == {"cat": 60.0, "dog": 30.0}
    assert read_mix("cat=70%,a=b=30%") == {"cat": 0.7, "a=b": 0.3}
    assert read_mix("fraud=rare") == {"fraud": "rare"}
    for odd in ("", "cat", "cat=", "=3", "cat=many", "cat=1,cat=2", "cat=-1"):
        with pytest.raises(DataError, match="expected CLASS=NUMBER"):
            read_mix(odd)


def skewed() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Digits 0 … 3, one of them ten times as frequent as another; one labelled row of each."""
    X, truth = load_digits(n_class=4, return_X_y=True)
    draw = np.random.default_rng(3)
    counts = np.array([120, 60, 30, 12])
    rows = np.concatenate([draw.permutation(np.flatnonzero(truth == one))[:number] for one, number in enumerate(counts)])
    X, truth = X[rows], truth[rows]
    first = np.array([np.flatnonzero(truth == one)[0] for one in range(4)])
    return X, np.where(np.isin(np.arange(len(X)), first), truth, -1), truth, counts


def test_both_doors_take_counts_and_suggest_takes_them_up(tmp_path: Path) -> None:
    X, y, _, _ = skewed()
    counts = {0: 11, 1: 6, 2: 3, 3: 1}
    fitted = SIBClassifier(class_prior=counts).fit(X.astype(np.float32), y)
    np.save(tmp_path / "x.npy", X.astype(np.float32))
    examples = {str(row + 1): int(y[row]) for row in np.flatnonzero(y >= 0)}
    table = label(tmp_path / "x.npy", examples, out=tmp_path / "out", class_prior=counts, cache=tmp_path / "cache")
    assert (table["label"].to_numpy() == fitted.transduction_.astype(str)).mean() > 0.98
    named = next_labels(tmp_path / "out", 3)
    same = table.set_index("item")["label"]
    assert all(same[one.item] == one.label for one in named.items)


def test_what_is_told_roughly_moves_the_mix_part_of_the_way() -> None:
    X, y, _, counts = skewed()
    wrong = counts[::-1] / counts.sum()
    untold, rough, firm = (
        SIBClassifier(class_prior=prior).fit(X, y).class_mix_ for prior in (None, [20, 60, 120, 240], wrong.astype(np.float32))
    )
    distance = [float(np.abs(mix - wrong).sum()) for mix in (untold, rough, firm)]
    assert distance[0] > distance[1] > distance[2]
