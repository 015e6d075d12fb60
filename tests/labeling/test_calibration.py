"""How many labels are right is claimed only where it was measured for such an encoder and number of classes."""

from __future__ import annotations

import pandas as pd
import pytest

from sibyl.labeling import calibration
from sibyl.labeling.calibration import Measured, expected_accuracy, mean_confidence

ROWS = (Measured("photographs", 0.74, 0.78, 20, "squeezenet", 24), Measured("requests", 0.90, 0.53, 20, "tfidf", 30))


def table(n_classes: int) -> pd.DataFrame:
    rows = 4 * n_classes
    labels = [f"class {row % n_classes}" for row in range(rows)]
    status = ["labelled" if row >= n_classes else "example" for row in range(rows)]
    return pd.DataFrame({"label": labels, "status": status, "confidence": [0.9] * rows})


@pytest.mark.parametrize(
    ("encoder", "n_classes", "claimed"),
    [
        ("squeezenet1_1_features.onnx", 24, True),
        ("squeezenet1_1_features.onnx", 13, True),
        ("torchvision:SqueezeNet1_1", 40, True),
        ("squeezenet1_1_features.onnx", 5, False),
        ("squeezenet1_1_features.onnx", 81, False),
        ("tfidf", 30, False),  # measured, and far from the truth
        ("timm:vit", 24, False),
        ("table", 24, False),
        ("features", 24, False),
    ],
)
def test_the_claim_stands_only_where_it_was_measured(
    encoder: str, n_classes: int, claimed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "measured_calibration", lambda method: ROWS if method == "universal_sib" else ())
    expected = expected_accuracy(table(n_classes), "universal_sib", encoder)
    assert (expected is not None) == claimed
    assert mean_confidence(table(n_classes)) == pytest.approx(0.9)
    assert expected_accuracy(table(n_classes), "pt_map", encoder) is None


def test_one_table_says_nothing_of_another_nor_of_a_network() -> None:
    assert not Measured("wine", 0.9, 0.9, 20, "table", 3).covers("timm:stable-vit", 3)
    assert not Measured("wine", 0.9, 0.9, 20, "table", 3).covers("table", 3)


def test_nothing_is_claimed_where_a_class_has_no_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "measured_calibration", lambda method: ROWS)
    assert expected_accuracy(table(24), "universal_sib", "squeezenet") is not None
    assert expected_accuracy(table(24)[1:], "universal_sib", "squeezenet") is None
