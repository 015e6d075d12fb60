"""Tables of examples and corrections, whatever bytes they hold."""

from __future__ import annotations

from pathlib import Path

from sibyl.errors import UserError
from sibyl.labeling.corrections import read_corrections, with_corrections
from sibyl.labeling.examples import Examples, checked, gather_examples, read_given
from tests.fuzz.mutation import check_sentence, damaged

NAMES = {"a/1.png", "b 2.png", "=c.png", "3", "n" * 300}
CORPUS = (
    b"item,label\na/1.png,cat\nb 2.png,dog\n",
    b"sep=;\r\nitem;label\r\na/1.png;cat\r\n3;dog\r\n",
    'item\tlabel\n=c.png\tnaïve "x"\n3\tdog\n'.encode("utf-16"),
    b"\xef\xbb\xbflabel,item,when\ncat,a/1.png,2026-01-01T12:00:00Z\n,3,2026-01-01T13:00:00+00:00\n",
    b"item,label,confidence,margin,runner_up,inductive_label,changed,outlier_score,status,source\n"
    b"3,dog,0.9,0.1,cat,cat,True,0.2,labelled,universal_sib\na/1.png,cat,1,,,,False,,example,example\n",
    b"item,label\n" + b"x" * 300 + b",cat\n../../" + b"y/" * 2000 + b",dog\n",
    b"sep=\n\nitem,label\n",
)


def test_examples(tmp_path: Path) -> None:
    path = tmp_path / "examples.csv"
    for content, named in damaged(CORPUS):
        with named:
            path.write_bytes(content)
            try:
                examples = checked(gather_examples(read_given(path), tmp_path))
            except UserError as error:
                check_sentence(error)
                continue
            assert len(examples.class_names) >= 2
            assert set(examples.labels.values()) == set(examples.class_names)
            assert all(examples.labels)


def test_corrections(tmp_path: Path) -> None:
    known = Examples({"3": "cat", "=c.png": "dog"}, ("cat", "dog"))
    (tmp_path / "labels.csv").write_bytes(CORPUS[4])
    for content, named in damaged(CORPUS):
        with named:
            (tmp_path / "corrections.csv").write_bytes(content)
            (tmp_path / "corrections-2.csv").write_bytes(CORPUS[len(content) % len(CORPUS)])
            try:
                mended = read_corrections(tmp_path, tmp_path, NAMES)
            except UserError as error:
                check_sentence(error)
                continue
            assert set(mended.labels) <= NAMES
            assert all(mended.labels.values())
            together = with_corrections(known, mended)
            assert set(together.labels.values()) == set(together.class_names)
            assert list(together.class_names) == sorted(together.class_names)
