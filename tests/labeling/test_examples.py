"""The list of examples, as people and their spreadsheets write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sibyl.errors import DataError
from sibyl.labeling.examples import Examples, check_items_exist, checked, collect, gather_examples, read_given

GOOD = {"a/1.jpg": "cat", "b 2.jpg": "dog"}


def examples_from(given: Any, root: Path) -> Examples:
    return checked(gather_examples(read_given(given), root))


def read(tmp_path: Path, content: str | bytes) -> dict[str, str]:
    path = tmp_path / "examples.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return dict(examples_from(path, tmp_path).labels)


def test_a_number_without_its_zeros_and_a_swapped_pair_are_understood_by_the_message() -> None:
    names = {f"{number:03}.jpg" for number in range(60)}
    with pytest.raises(DataError, match=r"did you mean '009\.jpg'"):
        check_items_exist(Examples({"9.jpg": "a"}, ("a",), "examples"), names, {})
    with pytest.raises(DataError, match=r"its class, '001\.jpg', is the name of an item: a class comes first"):
        check_items_exist(Examples({"sunflower": "001.jpg"}, ("001.jpg",), "examples"), names, {})


@pytest.mark.parametrize(
    "content",
    [
        "item,label\na/1.jpg,cat\nb 2.jpg,dog\n",
        "\ufeffitem,label\r\na/1.jpg,cat\r\nb 2.jpg,dog\r\n",
        "item;label\na/1.jpg;cat\nb 2.jpg;dog",
        "item\tlabel\na/1.jpg\tcat\nb 2.jpg\tdog\n",
        "sep=;\nitem;label\na/1.jpg;cat\nb 2.jpg;dog\n",
        "\ufeffSEP=|\r\nitem|label\r\na/1.jpg|cat\r\nb 2.jpg|dog\r\n",
        "sep=\t\nitem\tlabel\na/1.jpg\tcat\nb 2.jpg\tdog\n",
        "Label , Item\n cat , a/1.jpg \n\n dog, b 2.jpg\n,\n",
        'item,label,who\n"a/1.jpg","cat",me\n"b 2.jpg",dog,you\n',
        "item,label\n./a/1.jpg,cat\na\\1.jpg,cat\nb 2.jpg,dog\nb 2.jpg,dog\n",
        "item,label\na/1.jpg,cat\nb 2.jpg,dog\n".encode("utf-16"),
        "filename,class\na/1.jpg,cat\nb 2.jpg,dog\n",
    ],
)
def test_every_spelling_of_the_same_table(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == GOOD


def test_absolute_paths_below_the_folder(tmp_path: Path) -> None:
    assert read(tmp_path, f"item,label\n{tmp_path}/a/1.jpg,cat\nb 2.jpg,dog\n") == GOOD


def test_quotes_newlines_and_emoji(tmp_path: Path) -> None:
    assert read(tmp_path, 'item,label\n"a ""q"", \n😀.jpg",cat\nx,dog\n') == {'a "q", \n😀.jpg': "cat", "x": "dog"}


def test_blanks_at_the_ends_of_a_name_are_found_though_tables_lose_them() -> None:
    names = {"tail.png ", " front.png", "both", " both"}
    pairs = [("row 2", "tail.png", "cat"), ("row 3", "front.png", "dog"), ("row 4", "both", "dog")]
    assert dict(collect(pairs, "examples.csv", ".", names).labels) == {"tail.png ": "cat", " front.png": "dog", "both": "dog"}


def test_a_backslash_that_is_part_of_a_name_stays(tmp_path: Path) -> None:
    (tmp_path / "a\\b.jpg").write_bytes(b"x")
    assert "a\\b.jpg" in read(tmp_path, "item,label\na\\b.jpg,cat\nx,dog\n")


def test_classes_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    assert examples_from({"x": "zebra", "y": "ant", "z": "zebra", "w": "Bee"}, tmp_path).class_names == ("Bee", "ant", "zebra")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("item,label\na,cat\nb,dog\n./a,dog\n", ["'a' has two labels", "'cat' (row 2)", "'dog' (row 4)"]),
        ("thing,sort\na,cat\n", ["columns item,label", "thing, sort"]),
        ("", ["columns item,label"]),
        ("item,label\na,cat\nb\n", ["row 3 needs an item and a label"]),
        ("item,label\na,cat\nb,\n", ["row 3 needs an item and a label"]),
        ("item,label\na,cat\nb,cat\n", ["at least two classes", "only 'cat'"]),
        ("item,label\n", ["has a heading but no row"]),
        ("item,label\na,=cmd|' /C calc'!A0\nb,dog\n", ["formula", "rename"]),
        ("item,label\na,-2+3+cmd|' /C calc'!A0\nb,dog\n", ["formula"]),
        (b"item,label\n\xff\xfa,cat\n", ["UTF-8"]),
        ('item,label\n"a,cat,x\n', ["row 2 cannot be read", "opens a quote"]),
    ],
)
def test_bad_tables_are_refused_in_one_sentence(tmp_path: Path, content: str | bytes, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content)
    message = str(caught.value)
    assert "examples.csv" in message
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_signs_alone_are_good_labels(tmp_path: Path) -> None:
    assert read(tmp_path, "item,label\na,+\nb,-\nc,-1\n") == {"a": "+", "b": "-", "c": "-1"}


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        examples_from(tmp_path / "absent.csv", tmp_path)


def test_unknown_items_come_with_the_nearest(tmp_path: Path) -> None:
    given = examples_from({"cats/image_1.jpg": "cat", "dog.jpg": "dog"}, tmp_path)
    with pytest.raises(DataError, match=r"did you mean 'cat/image_1\.jpg'"):
        check_items_exist(given, {"cat/image_1.jpg", "dog.jpg", "cow.jpg"}, {})
    with pytest.raises(DataError, match=r"no item 'dog\.jpg'; did you mean 'dig\.jpg'"):
        check_items_exist(given, {"cats/image_1.jpg", "dig.jpg"}, {})
    with pytest.raises(DataError, match="2 such items"):
        check_items_exist(given, {"unlike"}, {})
    check_items_exist(given, {"cats/image_1.jpg", "dog.jpg"}, {})


def test_a_class_needs_one_usable_example(tmp_path: Path) -> None:
    given = examples_from({"a": "cat", "b": "cat", "c": "dog"}, tmp_path)
    check_items_exist(given, {"b", "c"}, {"a": "empty file"})
    with pytest.raises(DataError, match=r"class 'dog'.*'c' is skipped \(empty file\)"):
        check_items_exist(given, {"a", "b"}, {"c": "empty file"})


def test_labels_from_python_are_texts_or_numbers_and_none_is_no_label(tmp_path: Path) -> None:
    given = {Path("a/1.jpg"): 0, "b 2.jpg": np.float64(1.0), 3: True, "c": None, "d": float("nan"), "e": "  cat "}
    assert examples_from(given, tmp_path).labels == {"a/1.jpg": "0", "b 2.jpg": "1", "3": "True", "e": "cat"}
    for odd in (["cat"], "", " ", b"cat", 1j):
        with pytest.raises(DataError, match=r"the label of 'a' must be a text or a number|'a'"):
            examples_from({"a": odd, "b": "dog"}, tmp_path)
    for formula in ("=1", "\t=1", "\uff1d1", "@x"):
        with pytest.raises(DataError, match="would run as a formula"):
            examples_from({"a": formula, "b": "dog"}, tmp_path)


def test_a_missing_item_is_answered_with_what_items_are_called() -> None:
    examples = Examples({"0": "a", "2": "b"}, ("a", "b"), "examples")
    with pytest.raises(DataError, match="no item '0'; items are called by numbers, from 1 to 60"):
        check_items_exist(examples, {str(number) for number in range(1, 61)}, {})
    with pytest.raises(DataError, match=r"no item '0' \(2 such items\); items are called 'r0', 'r1' …"):
        check_items_exist(examples, {"r0", "r1", "r3"}, {})


def test_names_in_another_unicode_form_mean_the_same_file_where_that_is_unique(tmp_path: Path) -> None:
    composed, apart = "caf\u00e9.png", "cafe\u0301.png"
    for on_disk, written in ((composed, apart), (apart, composed)):
        given = collect([("row 2", written, "cat"), ("row 3", "b.png", "dog")], "e.csv", tmp_path, {on_disk, "b.png"})
        assert given.labels == {on_disk: "cat", "b.png": "dog"}
        both = collect([("row 2", written, "cat")], "e.csv", tmp_path, {composed, apart})
        assert both.labels == {written: "cat"}
    one = collect([("row 2", "a", "nai\u0308ve"), ("row 3", "b", "na\u00efve")], "e.csv", tmp_path)
    assert one.class_names == ("na\u00efve",)
