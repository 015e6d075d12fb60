"""No row and no class of a table goes without a word, whatever its quotes, gaps and names are like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sibyl.errors import DataError
from sibyl.labeling.request import LabelRequest
from sibyl.labeling.run import label_items
from sibyl.sources.naming import is_placeholder, label_text, only_labels
from sibyl.sources.open import Source, open_source
from sibyl.sources.rows import spelling_twins

KINDS = {"weather": "will it rain {} in town", "banking": "pay {} euros from my account", "travel": "book a flight on day {}"}


def opened(path: Path, content: str | bytes, **settings: Any) -> Source:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_source(path, **settings)


def texts(n: int, delimiter: str = ",") -> list[str]:
    """Lines of a table of texts, the first of each kind labelled."""
    kinds = list(KINDS)
    rows = [KINDS[kinds[i % 3]].format(i) + delimiter + (kinds[i] if i < 3 else "") for i in range(n)]
    return [f"text{delimiter}label", *rows]


def said(source: Source) -> str:
    return "\n".join(source.notes)


def found(source: Source) -> int:
    return len(source.items) + len(source.skipped)


@pytest.mark.parametrize("bad", ["caf\xe9 on sunday,weather", "rain, and much of it,weather", ",weather"])
def test_a_class_whose_only_example_cannot_be_read_stops_the_run(tmp_path: Path, bad: str) -> None:
    lines = texts(12)
    lines[1] = bad
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join(lines).encode("latin-1"))
    with pytest.raises(DataError, match=r"no example of class 'weather' can be used: '(row )?1' is skipped"):
        label_items(LabelRequest(path))
    lines[4] = lines[4] + "weather"  # another example of the class is there
    path.write_bytes("\n".join(lines).encode("latin-1"))
    labelling = label_items(LabelRequest(path))
    assert set(labelling.class_names) == {*KINDS}
    assert any("1 of the examples cannot be used" in note for note in labelling.summary.notes)


@pytest.mark.parametrize("examples", [{"1": "a", "2": "b", "3": "c"}, None])
def test_a_class_whose_only_example_holds_no_number_stops_the_run(tmp_path: Path, examples: dict[str, str] | None) -> None:
    rows = [f"{i}.5,{i * i % 7},{'' if i > 2 else 'abc'[i]}" for i in range(20)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,y,label", "err,n.d.,a", *rows[1:]]))
    with pytest.raises(
        DataError, match=r"no example of class 'a' can be used: '1' is skipped \(no cell that is read holds a number"
    ):
        label_items(LabelRequest(path, examples))
    path.write_text("\n".join(["x,y,label", "err,n.d.,a", *rows[1:], "3.5,6,a"]))
    labelling = label_items(LabelRequest(path))
    assert labelling.summary.counts.examples == 3
    assert any("1 example cannot be used, and counts as not labelled: '1'" in note for note in labelling.summary.notes)


def test_a_table_in_another_encoding_is_told_how_to_convert_it(tmp_path: Path) -> None:
    lines = [line if i == 0 else "f\xfcr " + line for i, line in enumerate(texts(12))]
    with pytest.raises(DataError, match=r"no text of column 'text' can be used \(1: not valid UTF-8: save the table as UTF-8"):
        opened(tmp_path / "t.csv", "\n".join(lines).encode("cp1252"))
    named = ["id,text,label", *(f"gr\xfcn{i},{line}" if i == 7 else f"t{i},{line}" for i, line in enumerate(texts(12)[1:]))]
    source = opened(tmp_path / "n.csv", "\n".join(named).encode("cp1252"))
    assert [(one.name, one.reason) for one in source.skipped] == [("row 8", "its name is not valid UTF-8: save the table as UTF-8")]


def test_a_text_longer_than_the_csv_library_allows_is_read(tmp_path: Path) -> None:
    source = opened(tmp_path / "t.csv", "text,label\n" + '"rain, and more of it",weather\n' + f'"{"pay my bill, " * 20_000}",\n')
    assert found(source) == 2
    assert source.labels == {"1": "weather"}


def test_names_in_another_encoding_are_skipped_and_named(tmp_path: Path) -> None:
    rows = [f"a.{i}\t{KINDS['travel'].format(i)}" for i in range(9)]
    rows[3] = "\xd3" + rows[3]
    source = opened(tmp_path / "t.tsv", "\n".join(["id\ttext", *rows]).encode("latin-1"))
    assert [one.name for one in source.skipped] == ["row 4"]


def test_a_class_in_another_encoding_is_told(tmp_path: Path) -> None:
    lines = texts(12)
    lines[1] = lines[1].removesuffix("weather") + "wetter f\xfcr alle"
    with pytest.raises(DataError, match=r"row 1 of column 'label' is not valid UTF-8 .*: save the table as UTF-8"):
        opened(tmp_path / "t.csv", "\n".join(lines).encode("cp1252"))


def test_a_class_in_a_json_line_that_cannot_be_read_stops_the_run(tmp_path: Path) -> None:
    lines = [f'{{"text": "sentence number {i} of a kind", "label": "{"ab"[i % 2] if i < 2 else ""}"}}' for i in range(9)]
    lines[1] = lines[1][:-1] + ","
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match="no example of class 'b' can be used: 'row 2' is skipped"):
        label_items(LabelRequest(tmp_path / "t.jsonl"))


@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_quotes_that_mean_themselves_swallow_no_rows(tmp_path: Path, delimiter: str) -> None:
    lines = texts(30, delimiter)
    lines[9] = '"' + lines[9]
    lines[20] = lines[20].removesuffix(delimiter) + '"' + delimiter
    source = opened(tmp_path / ("t.tsv" if delimiter == "\t" else "t.csv"), "\n".join(lines))
    assert found(source) == len(source.items) == 30
    assert "read as a letter (row 9" in said(source)
    assert source.items[8].read().startswith(b'"')


@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_quotes_that_mean_themselves_swallow_no_examples(tmp_path: Path, delimiter: str) -> None:
    lines = texts(30, delimiter)  # the examples' own lines begin and end the quote, and no other row shares a cell with them
    lines = [lines[0], *(f"t{i}{delimiter}{line}" for i, line in enumerate(lines[1:]))]
    lines[0] = f"id{delimiter}{lines[0]}"
    lines[1] = lines[1].replace(delimiter, delimiter + '"', 1)
    lines[5] = lines[5].removesuffix(delimiter) + ' 5"' + delimiter
    source = opened(tmp_path / ("t.tsv" if delimiter == "\t" else "t.csv"), "\n".join(lines))
    assert len(source.items) == 30
    assert source.labels == {"t0": "weather", "t1": "banking", "t2": "travel"}
    assert "read as a letter (row 1, 2" in said(source)


def test_a_text_of_two_lines_that_look_like_rows_stays_one(tmp_path: Path) -> None:
    content = 'id,text,label\nt0,"Dear Sir, I\nsay, hello",x\nt1,"one, two and more",y\nt2,three words here,\n'
    source = opened(tmp_path / "t.csv", content)
    assert [item.read().decode() for item in source.items] == ["Dear Sir, I\nsay, hello", "one, two and more", "three words here"]
    assert source.labels == {"t0": "x", "t1": "y"}


def test_quotes_that_are_meant_are_quotes(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"text": ['says "hi", twice\nand goes on, again', "two, three", 'tab\tand "quote"'] * 4, "label": ["a", "b", ""] * 4}
    )
    for separator, name in ((",", "t.csv"), ("\t", "t.tsv"), (";", "s.csv")):
        frame.to_csv(tmp_path / name, index=False, sep=separator)
        source = open_source(tmp_path / name)
        assert [item.read().decode() for item in source.items] == frame["text"].tolist()
        assert not source.notes
    (tmp_path / "spark.csv").write_text(
        'text,label\n"He said \\"hello\\", and left",a\nsomething else here,b\nmore words than two,\n'
    )
    assert open_source(tmp_path / "spark.csv").items[0].read() == b'He said "hello", and left'


def test_a_quote_that_never_closes_costs_nothing_after_it(tmp_path: Path) -> None:
    lines = texts(40)
    lines[23] = '"' + lines[23]
    source = opened(tmp_path / "t.csv", "\n".join(lines))
    assert len(source.items) == 40
    assert "a quote that never closes is read as a letter (row 23)" in said(source)


def test_short_rows_are_filled_and_blank_rows_counted(tmp_path: Path) -> None:
    rows = "".join(f"{i * 1.5 % 7},{i % 5}.25\n" for i in range(60))
    source = opened(tmp_path / "t.csv", f"a,b,label\n1.5,2.5,x\n9.5,1.5,y\n,,\n\n{rows}")
    assert found(source) == 63
    assert [(one.name, one.reason) for one in source.skipped] == [("3", "no values")]
    assert source.items[2].name == "4"
    assert "60 rows are shorter than the heading" in said(source)
    source = opened(tmp_path / "t.csv", "a,b\n" + "1,2,\n3,4,\n" * 6 + "5,7,8,\n")
    assert [item.name for item in source.items] == [str(number) for number in range(1, 13)]
    reason = "4 cells, the heading has 2: put quotes around a text that holds a comma"
    assert [(one.name, one.reason) for one in source.skipped] == [("row 13", reason)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["", "X"])
def test_a_comma_within_a_text_makes_no_label_of_its_rest(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = [line + delimiter * bool(end) for line in texts(40, delimiter)]  # with a blank column behind the last one, or without
    for row in (5, 9, 30):
        words = lines[row].split(" ")
        lines[row] = words[0] + delimiter + " " + " ".join(words[1:])
    lines.append(delimiter * 5)  # a blank row is no long one
    source = opened(tmp_path / "t.csv", "\n".join(lines))
    assert set(source.labels.values()) == {*KINDS}
    assert len(source.labels) == 3
    assert [one.name for one in source.skipped] == ["row 5", "row 9", "row 30", "41"]
    assert "put quotes around a text that holds a" in source.skipped[0].reason
    lines[1] = lines[1].replace(" ", delimiter, 1)  # the only example of its class
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="no example of class 'weather' can be used: 'row 1' is skipped"):
        label_items(LabelRequest(tmp_path / "t.csv"))


def test_a_blank_column_behind_every_row_is_no_column(tmp_path: Path) -> None:
    lines = [line + "," for line in texts(40)[1:]]
    lines[17] = lines[17].removesuffix(",").removesuffix(",")  # written by hand
    for heading in ("text,label", "text,label,"):
        source = opened(tmp_path / "t.csv", "\n".join([heading, *lines]))
        assert len(source.items) == 40
        assert set(source.labels.values()) == {*KINDS}


def test_headings_of_other_programs(tmp_path: Path) -> None:
    numbers = "\n".join(f'"r{i}",{i % 4}.5,{i % 3}' for i in range(8))
    source = opened(tmp_path / "r.csv", f'"a","b"\n{numbers}\n')  # as R writes
    assert source.names == tuple(f"r{i}" for i in range(8))
    source = opened(tmp_path / "sep.csv", "sep=;\ntext;label\nwhat a fine day;a\nthe other thing here;\n")
    assert source.modality == "text"
    assert source.labels == {"1": "a"}
    twice = "text,label\nwhat a fine day,a\ntext,label\nthe other thing here,\n"  # two files joined
    source = opened(tmp_path / "joined.csv", twice)
    assert [one.reason for one in source.skipped] == ["repeats the heading"]
    for content in ("sep=;\n", "sep=;\ntext;label\n"):
        with pytest.raises(DataError, match="heading"):
            opened(tmp_path / "only.csv", content)
    source = opened(tmp_path / "none.csv", "red,1.5\nblue,2.5\nred,3.5\nblue,9\n")
    assert len(source.items) == 4
    assert "the first line holds values and no names" in said(source)


def test_names_that_repeat_are_said_and_are_no_feature(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"id": np.arange(30) // 3 + 1000, "a": draw.normal(size=30), "b": draw.normal(size=30)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    source = open_source(tmp_path / "t.csv")
    assert source.matrix is not None
    assert source.matrix.shape == (30, 2)
    assert "column 'id' repeats: 10 different in 30 rows" in said(source)


@pytest.mark.parametrize("name", ["id", "file", "Path", "filename", "item"])
def test_a_column_of_names_names_the_rows(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({name: [f"x{i}.dat" for i in range(6)], "a": [1.5, 2, 3, 4, 5, 7], "b": list("ppqqrr")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert open_source(tmp_path / "t.csv").names == tuple(frame[name])
    frame.set_index(frame[name]).drop(columns=name).to_parquet(tmp_path / "t.parquet")
    assert open_source(tmp_path / "t.parquet").names == tuple(frame[name])
    shuffled = frame.drop(columns=name).sample(frac=1, random_state=1)
    shuffled.to_csv(tmp_path / "s.csv")
    shuffled.to_parquet(tmp_path / "s.parquet")
    assert open_source(tmp_path / "s.csv").names == open_source(tmp_path / "s.parquet").names == tuple(map(str, shuffled.index))


@pytest.mark.parametrize(
    "word", ["NaN", "nan", "NA", "N/A", "None", "null", "?", "-", "unlabeled", "Unlabelled", "[]", "-1", "#N/A", "<NA>"]
)
def test_words_that_mean_unlabelled_are_no_class(tmp_path: Path, word: str) -> None:
    lines = [line + word if line.endswith(",") and i % 2 else line for i, line in enumerate(texts(24))]
    source = opened(tmp_path / "t.csv", "\n".join(lines))
    assert set(source.labels.values()) == {*KINDS}
    assert len(source.labels) == 3
    if word != "[]":  # an empty list is plainly no label
        assert f"× {word!r} count as not labelled" in said(source)


def test_signs_may_be_classes() -> None:
    assert only_labels(["+", "-", "", "-"])[0] == ["+", "-", "", "-"]
    assert only_labels(["1", "-1", "", "1"])[0] == ["1", "-1", "", "1"]
    assert only_labels(["0", "1", "2", "-1"])[0] == ["0", "1", "2", ""]
    assert only_labels(["cat", "-", "dog"])[0] == ["cat", "", "dog"]


def test_labels_of_every_type() -> None:
    values: list[Any] = [3.0, ["cat"], [], "['cat']", '["cat"]', None, float("nan"), b"cat", True, "e\u0301", "[1, 2"]
    assert [label_text(value) for value in values] == ["3", "cat", "", "cat", "cat", "", "", "cat", "True", "é", "[1, 2"]


def test_lists_of_labels(tmp_path: Path) -> None:
    rows = [
        f'{{"text": "sentence number {i} of a kind", "label": {["[]", chr(34) + "b" + chr(34), "[" + chr(34) + "a" + chr(34) + "]"][min(i, 2) if i < 3 else 0]}}}'
        for i in range(9)
    ]
    source = opened(tmp_path / "t.jsonl", "\n".join(rows))
    assert source.labels == {"2": "b", "3": "a"}
    rows[4] = '{"text": "sentence of two kinds here", "label": ["a", "b"]}'
    with pytest.raises(DataError, match=r"row 5 of column 'label' has 2 labels \('a', 'b'\), and an item can have one"):
        opened(tmp_path / "t.jsonl", "\n".join(rows))


def test_names_of_placeholders() -> None:
    assert all(map(is_placeholder, ("TODO", "unknown", "Unknown?", "<tbd>", "not sure")))
    assert not any(map(is_placeholder, ("other", "cat", "unknown soldier", "", "none of these")))


def test_classes_that_differ_in_one_letter_are_named() -> None:
    assert spelling_twins(["butterfly", "buterfly", "Lamp", "lamps", "class 1", "class 11", "cat", "cats", "ferry"]) == [
        ("buterfly", "butterfly")
    ]


def test_a_run_with_such_classes_says_so(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3))
    pd.DataFrame(rows, columns=list("abc")).to_csv(tmp_path / "t.csv", index=False)
    found = label_items(LabelRequest(tmp_path / "t.csv", {"1": "butterfly", "2": "buterfly", "3": "ferry"}, cache=tmp_path / "c"))
    assert any("in one letter more" in note for note in found.summary.notes)
