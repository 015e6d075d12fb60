"""TfidfEncoder: texts by the words and pieces of words that they share, without any weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sibyl.encoders.encoder import Encoder, Rows
from sibyl.errors import DataError
from sibyl.storage import content_key

DIM = 64
FIT_AT_MOST = 20_000
"""Texts that the encoder is fitted to; of more, an even selection."""
_PIECES = 1 << 16


class TfidfEncoder(Encoder[str, str]):
    """Latent semantic analysis of the texts themselves (Deerwester et al., J. Am. Soc. Inf. Sci. 41(6), 1990).

    Single words, pairs of words, and pieces of 2 … 5 letters are counted, weighted by how few texts hold them, and brought to 64
    dimensions by a truncated singular value decomposition. It knows no language and no synonyms, so it is weak: a sentence encoder is
    the better choice wherever its weights can be had. It is fitted to the texts that it is to read, so rows of two sources cannot be
    compared.
    """

    def __init__(self) -> None:
        self._pipeline: Any = None
        self._fitted_on = ""
        self._dim = DIM

    @property
    def name(self) -> str:
        """Always tfidf."""
        return "tfidf"

    @property
    def key(self) -> str:
        """Checksum of the texts that it is fitted to."""
        return content_key(["tfidf 1", DIM, _PIECES, FIT_AT_MOST, self._fitted_on])

    @property
    def dim(self) -> int:
        """Columns of the features: 64, or fewer than there are texts."""
        return self._dim

    @property
    def modality(self) -> str:
        """Text."""
        return "text"

    @property
    def description(self) -> dict[str, Any]:
        """Name, dimension and what it is."""
        return {
            "kind": "tfidf",
            "name": self.name,
            "dim": self.dim,
            "preprocessing": {"words": [1, 2], "letters": [2, 5]},
            "preprocessing_from": "fitted to the texts themselves; weak, a sentence encoder is better",
        }

    def fitted_to(self, items: Iterable[str]) -> TfidfEncoder:
        """Return an encoder that is fitted to the texts; this one stays as it is."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.preprocessing import Normalizer

        texts = list(items)
        if not texts:
            return self
        digest = hashlib.sha256()
        for text in texts:
            digest.update(hashlib.sha256(text.encode("utf-8", "replace")).digest())
        if len(texts) > FIT_AT_MOST:
            texts = [texts[place] for place in np.linspace(0, len(texts) - 1, FIT_AT_MOST).astype(int)]
        counts = {"n_features": _PIECES, "alternate_sign": False, "norm": None}
        fitted = TfidfEncoder()
        fitted._fitted_on = digest.hexdigest()[:16]
        fitted._dim = max(1, min(DIM, len(texts) - 1))
        words = make_pipeline(
            HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\w+", **counts), TfidfTransformer(sublinear_tf=True)
        )
        letters = make_pipeline(
            HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), **counts), TfidfTransformer(sublinear_tf=True)
        )
        svd = TruncatedSVD(fitted._dim, random_state=0, n_iter=3)
        with np.errstate(invalid="ignore", divide="ignore"):  # the share of variance explained, where all texts are alike
            fitted._pipeline = make_pipeline(make_union(words, letters), svd, Normalizer()).fit(texts)
        return fitted

    def prepare(self, item: str) -> str:
        """Return the text as it is."""
        return item

    def encode(self, batch: Sequence[str]) -> Rows:
        """Return the rows of texts: float32 [text, dim], of length 1.

        Raises
        ------
        DataError
            If the encoder is not fitted.
        """
        if self._pipeline is None:
            raise DataError("the encoder tfidf is fitted to the texts that it reads; call fitted_to(texts) first")
        if not batch:
            return np.zeros((0, self.dim), np.float32)
        return np.asarray(self._pipeline.transform(list(batch)), np.float32)
