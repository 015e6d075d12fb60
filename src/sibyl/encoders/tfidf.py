"""TfidfEncoder: texts by the words and pieces of words that they share, without any weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sibyl.encoders.encoder import Encoder, Rows
from sibyl.errors import CheckpointError, DataError
from sibyl.sources.fitted import Fitted
from sibyl.storage import content_key

if TYPE_CHECKING:
    from scipy import sparse

DIM = 64
FIT_AT_MOST = 20_000
"""Texts that the encoder is fitted to; of more, an even selection."""
LETTERS = 100_000
"""Of a longer text, the beginning is read: counting takes hundreds of bytes a letter."""
FIT_LETTERS = 100_000_000
_PIECES = 1 << 16
KIND = "tfidf"


@dataclass(frozen=True, eq=False)
class _Learned:
    """Rarity of each piece of text [piece], and the components [piece, dim]."""

    rarity: npt.NDArray[np.float64]
    components: npt.NDArray[np.float32]


class TfidfEncoder(Encoder[str, str]):
    """Latent semantic analysis of the texts themselves (Deerwester et al., J. Am. Soc. Inf. Sci.
    41(6), 1990).

    Single words, pairs of words, and pieces of 2 … 5 letters are counted, weighted by how few texts
    hold them, and brought to 64 dimensions by a truncated singular value decomposition. It knows no
    language and no synonyms, so it is weak: a sentence encoder is the better choice wherever its
    weights can be had. It is fitted to the texts that it is to read, so rows of two sources can
    only be compared if one encoder reads both: what it learned can be kept (`fitted`) and taken up
    again (`fitted_as`).
    """

    name, modality = KIND, "text"

    def __init__(self) -> None:
        self._learned: _Learned | None = None
        self.dim = DIM  # once it is fitted, fewer than there are texts
        self.key = content_key(["tfidf 2", DIM, _PIECES, FIT_AT_MOST])

    @property
    def description(self) -> dict[str, Any]:
        """Name, dimension and what it is."""
        return {
            "kind": "tfidf",
            "name": self.name,
            "dim": self.dim,
            "preprocessing": {"words": [1, 2], "letters": [2, 5], "longest": LETTERS},
            "preprocessing_from": "fitted to the texts themselves; weak, a sentence encoder is better",
        }

    def fitted_to(self, items: Iterable[str]) -> TfidfEncoder:
        """Return an encoder that is fitted to the texts; this one stays as it is. One that is
        fitted already returns itself.
        """
        from sklearn.decomposition import TruncatedSVD

        texts = [] if self._learned is not None else list(items)
        if not texts:
            return self
        if len(texts) > FIT_AT_MOST:
            texts = [texts[place] for place in np.linspace(0, len(texts) - 1, FIT_AT_MOST).astype(int)]
        n_letters = sum(min(len(text), LETTERS) for text in texts)
        if n_letters > FIT_LETTERS:
            texts = [
                texts[place] for place in np.linspace(0, len(texts) - 1, max(1, len(texts) * FIT_LETTERS // n_letters)).astype(int)
            ]
        counts = _count(texts)
        n_holding = np.bincount(counts.indices, minlength=2 * _PIECES)
        svd = TruncatedSVD(max(1, min(DIM, len(texts) - 1)), random_state=0, n_iter=3)
        with np.errstate(invalid="ignore", divide="ignore"):  # the share of variance explained, where all texts are alike
            svd.fit(_weighted(counts, _rarity(len(texts), n_holding)))
        pieces = np.flatnonzero(n_holding)  # what no text holds has no part in any component
        arrays = {
            "pieces": pieces.astype(np.int32),
            "n_holding": n_holding[pieces].astype(np.int32),
            "components": np.ascontiguousarray(svd.components_[:, pieces].T, np.float32),
        }
        return self.fitted_as(Fitted(KIND, {"n_texts": len(texts), "n_pieces": _PIECES}, arrays))

    def fitted_as(self, fitted: Fitted) -> TfidfEncoder:
        """Return the encoder that learned `fitted`.

        Raises
        ------
        CheckpointError
            If `fitted` is another encoder's, of another version, or damaged.
        """
        encoder = TfidfEncoder()
        encoder._learned = _learned(fitted)
        encoder.fitted = fitted
        encoder.dim = encoder._learned.components.shape[1]
        encoder.key = content_key(["tfidf 2", fitted.key])
        return encoder

    def prepare(self, item: str) -> str:
        """Return the text as it is."""
        return item

    def encode(self, batch: Sequence[str]) -> Rows:
        """Return the rows of texts: float32 [text, dim], of length 1, or 0 for a text that shares
        nothing with those it is fitted to.

        Raises
        ------
        DataError
            If the encoder is not fitted.
        """
        from sklearn.preprocessing import normalize

        if self._learned is None:
            raise DataError("the encoder tfidf is fitted to the texts that it reads; call fitted_to(texts) first")
        if not batch:
            return np.zeros((0, self.dim), np.float32)
        weighted = _weighted(_count(list(batch)), self._learned.rarity).astype(np.float32)
        return np.asarray(normalize(np.asarray(weighted @ self._learned.components)), np.float32)


def _count(texts: Sequence[str]) -> sparse.csr_matrix:
    """Return how often each text holds each piece [text, piece]: words and pairs of words first,
    then pieces of words.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer

    texts = [text[:LETTERS] for text in texts]
    settings = {"n_features": _PIECES, "alternate_sign": False, "norm": None}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\w+", **settings)
    letters = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), **settings)
    return sparse.csr_matrix(sparse.hstack([words.transform(texts), letters.transform(texts)], format="csr"))


def _rarity(n_texts: int, n_holding: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the inverse document frequency, smoothed as scikit-learn does: ``log((1 + n) / (1 +
    n_holding)) + 1``.
    """
    return np.asarray(np.log((1 + n_texts) / (1 + n_holding.astype(np.float64))) + 1)


def _weighted(counts: sparse.csr_matrix, rarity: npt.NDArray[np.float64]) -> sparse.csr_matrix:
    """Weigh counts c as ``(log c + 1) · rarity``; words and letters are brought to length 1 each."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    data = (np.log(counts.data) + 1) * rarity[counts.indices]
    weighted = sparse.csr_matrix((data, counts.indices, counts.indptr), counts.shape)
    return sparse.csr_matrix(sparse.hstack([normalize(weighted[:, :_PIECES]), normalize(weighted[:, _PIECES:])], format="csr"))


def _learned(fitted: Fitted) -> _Learned:
    arrays = fitted.arrays
    n_texts = fitted.settings.get("n_texts")
    is_sound = (
        fitted.kind == KIND
        and fitted.settings.get("n_pieces") == _PIECES
        and {"pieces", "n_holding", "components"} <= arrays.keys()
    )
    if is_sound:
        pieces, n_holding, components = arrays["pieces"], arrays["n_holding"], arrays["components"]
        is_sound = (
            pieces.ndim == 1
            and pieces.dtype.kind == "i"
            and pieces.shape == n_holding.shape == components.shape[:1]
            and components.ndim == 2
            and components.shape[1] > 0
            and bool(((pieces >= 0) & (pieces < 2 * _PIECES) & (n_holding > 0)).all())
            and bool(np.isfinite(components).all())
        )
    if not (is_sound and isinstance(n_texts, int)):
        raise CheckpointError("what the encoder tfidf learned is damaged or of another version; run sibyl label again")
    counts = np.zeros(2 * _PIECES)
    counts[pieces] = n_holding
    whole = np.zeros((2 * _PIECES, components.shape[1]), np.float32)
    whole[pieces] = components
    return _Learned(_rarity(n_texts, counts), whole)
