"""Texts of folders and tables: every way in which a file of texts can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sibyl.errors import DataError
from sibyl.sources.item import Unreadable
from sibyl.sources.open import Source, open_source
from sibyl.sources.texts import decode_text

SENTENCES = ("please book me a table", "what is the weather like", "turn the lights off now")


def contents(source: Source) -> dict[str, str]:
    return {item.name: source.decode(item.read()) for item in source.items}


def reasons(source: Source) -> dict[str, str]:
    return {one.name: one.reason for one in source.skipped}


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_folder_of_texts_with_class_folders(tmp_path: Path) -> None:
    for place in ("a/one.txt", "b/two.md", "unlabelled/three.txt", "four.TXT"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(f" text of {place}\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    (tmp_path / "empty.txt").touch()
    source = open_source(tmp_path)
    assert source.modality == "text"
    assert contents(source)["a/one.txt"] == "text of a/one.txt"
    assert source.labels == {"a/one.txt": "a", "b/two.md": "b"}
    assert reasons(source) == {"empty.txt": "empty file", "picture.png": "not a text"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"caf\xe9", "UTF-8 at byte 3"),
        (b" \n\t", "empty text"),
        (b"a\0b", "NUL"),
        (b"\xff\xfea", "UTF-8"),
        (b"x" * ((1 << 24) + 1), "limit is 16"),
    ],
)
def test_bytes_that_are_no_text(content: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        decode_text(content)


def test_byte_order_marks_are_understood() -> None:
    assert decode_text("\ufeffgrün".encode()) == "grün"
    assert decode_text("grün".encode("utf-16")) == "grün"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_byte_order_marks_of_tables(tmp_path: Path, delimiter: str, encoding: str) -> None:
    lines = [delimiter.join(("id", "text", "label")), *(delimiter.join((f"n{i}", SENTENCES[i], "ab "[i])) for i in range(3))]
    source = open_source(written(tmp_path / "requests.csv", "\r\n".join(lines).encode(encoding)))
    assert contents(source) == {f"n{i}": SENTENCES[i] for i in range(3)}
    assert source.labels == {"n0": "a", "n1": "b"}


def test_bad_rows_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    table = b'id,text\na,"quoted, with\na line break"\nb,caf\xe9\nc,\nd,one,too many\n,nameless\na,again\n\nf,"open\' "x\ng,=cmd|\'/c calc\'!A1\n'
    source = open_source(written(tmp_path / "t.csv", table), id_column="id")
    assert contents(source) == {"a": "quoted, with\na line break", "f": '"open\' "x', "g": "=cmd|'/c calc'!A1"}
    said = reasons(source)
    assert said["b"].startswith("not valid UTF-8")
    assert said["c"] == "empty text"
    assert said["row 4"].startswith("3 cells, the heading has 2")
    assert said["row 5"] == "no name in column 'id'"
    assert said["a (row 6)"] == "its name stands in row 1 already"
    assert "a quote that never closes is read as a letter (row 7)" in source.notes
    assert len(source.items) + len(source.skipped) == 8


def test_repeated_names_that_nobody_asked_for_are_passed_over(tmp_path: Path) -> None:
    source = open_source(written(tmp_path / "t.csv", "id,text\na,first one\na,second one\n"))
    assert contents(source) == {"1": "first one", "2": "second one"}
    assert source.skipped == ()


def test_a_quote_that_never_closes_costs_no_row(tmp_path: Path) -> None:
    source = open_source(written(tmp_path / "t.csv", 'id,text\na,fine\nb,"never closed\nc,lost\n'))
    assert contents(source) == {"a": "fine", "b": '"never closed', "c": "lost"}
    assert source.notes == ("a quote that never closes is read as a letter (row 2)",)
    # In tab-separated files quotes are letters.
    source = open_source(written(tmp_path / "t.tsv", 'id\ttext\na\tfine\nb\t"never closed\nc\tkept\n'))
    assert contents(source)["b"] == '"never closed'
    assert contents(source)["c"] == "kept"


def test_a_single_column_needs_no_quotes(tmp_path: Path) -> None:
    source = open_source(written(tmp_path / "t.csv", "request\nwell, what now, my friend\nno commas in this one\n"))
    assert list(contents(source).values()) == ["well, what now, my friend", "no commas in this one"]
    source = open_source(written(tmp_path / "t.txt", "one text a line\n\nthe second text\n"))
    assert contents(source) == {"1": "one text a line", "3": "the second text"}
    assert reasons(source) == {"2": "empty text"}


def test_a_column_that_does_not_exist_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "Request,intent\nhello there,a\n")
    wrong: tuple[dict[str, Any], ...] = (
        {"column": "request"},
        {"column": "Request", "label_column": "intend"},
        {"column": "Request", "id_column": "Intent"},
    )
    for settings in wrong:
        with pytest.raises(DataError, match=r"did you mean '(Request|intent)'"):
            open_source(path, **settings)
    with pytest.raises(DataError, match="holds no texts"):
        open_source(written(tmp_path / "e.csv", "text,n\n,1\n,2\n"), column="text")
    with pytest.raises(DataError, match="is a folder"):
        open_source(tmp_path, column="text")


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"text": SENTENCES[0], "label": "a"}, {"text": SENTENCES[1], "label": None}, {"label": "b"}, {"text": 7, "label": 3.0}]
    lines = [*map(json.dumps, rows), "{broken", "[1]"]
    source = open_source(written(tmp_path / "t.jsonl", "\n".join(lines)))
    assert contents(source) == {"1": SENTENCES[0], "2": SENTENCES[1], "4": "7"}
    assert source.labels == {"1": "a", "4": "3"}
    said = reasons(source)
    assert said["3"] == "empty text"
    assert said["row 5"].startswith("not JSON")
    assert "got list" in said["row 6"]


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"body": [*SENTENCES, None], "label": ["a", None, "b", "b"]}).to_parquet(path)
    source = open_source(path)
    assert contents(source) == {str(i + 1): SENTENCES[i] for i in range(3)}
    assert source.labels == {"1": "a", "3": "b"}
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match="damaged"):
        open_source(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("text\n", "no rows"),
        ("text,text\na,b\n", "two columns"),
        ("a\0b,c\n1,2\n", "NUL"),
        (b"caf\xe9,b\n1,2\n", "UTF-8"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        open_source(written(tmp_path / "t.csv", content))
