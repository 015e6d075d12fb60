"""The text encoder without weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sibyl.encoders import tfidf
from sibyl.encoders.embed_source import embed_source
from sibyl.encoders.tfidf import TfidfEncoder
from sibyl.errors import DataError
from sibyl.sources.open import open_source

KITCHEN = [f"stir the {thing} and bake it in the oven for {n} minutes" for n in (5, 9) for thing in ("dough", "sauce", "onions")]
ROAD = [
    f"drive the {thing} along the motorway to the next {place}" for place in ("town", "exit") for thing in ("car", "lorry", "van")
]


def test_texts_on_one_subject_are_near() -> None:
    encoder = TfidfEncoder().fitted_to([*KITCHEN, *ROAD])
    rows = encoder.encode([*KITCHEN, *ROAD])
    assert rows.shape == (12, encoder.dim)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    alike = rows @ rows.T
    inside = (alike[:6, :6].sum() - 6 + alike[6:, 6:].sum() - 6) / 60
    assert inside > alike[:6, 6:].mean() + 0.3


def test_fitting_is_repeatable_and_leaves_the_encoder_as_it_was() -> None:
    fresh = TfidfEncoder()
    first, second = (fresh.fitted_to(KITCHEN + ROAD) for _ in range(2))
    assert np.array_equal(first.encode(ROAD), second.encode(ROAD))
    assert first.key == second.key != fresh.fitted_to(KITCHEN).key
    assert first.key != fresh.key
    with pytest.raises(DataError, match="fitted_to"):
        fresh.encode(["a text"])


@pytest.mark.parametrize("texts", [["one"], ["one", "two words"], ["?!", "…"], ["same"] * 5])
def test_few_and_odd_texts(texts: list[str]) -> None:
    rows = TfidfEncoder().fitted_to(texts).encode(texts)
    assert len(rows) == len(texts)
    assert np.isfinite(rows).all()


def test_a_source_is_fitted_and_encoded(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text\n" + "\n".join([*KITCHEN, "", *ROAD]).replace("\n\n", '\n""\n') + "\n")
    done = embed_source(open_source(table), TfidfEncoder(), tmp_path / "cache")
    assert len(done.names) == 12
    assert done.encoder["name"] == "tfidf"
    assert done.encoder["dim"] == done.matrix.shape[1]
    assert not (tmp_path / "cache").exists()


def test_of_a_huge_text_the_beginning_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfidf, "LETTERS", 1000)
    monkeypatch.setattr(tfidf, "FIT_LETTERS", 8000)
    texts = [f"{word} " * 2000 for word in ("rain", "snow", "bank", "loan") * 4]
    encoder = TfidfEncoder().fitted_to(texts)
    assert encoder.fitted is not None
    assert encoder.fitted.settings["n_texts"] == 8
    assert np.array_equal(encoder.encode(texts[:4]), encoder.encode([text[:1000] + "other words" for text in texts[:4]]))
