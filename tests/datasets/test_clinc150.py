from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sibyl.datasets.clinc150 import SPLIT_DOMAINS, load_clinc150
from sibyl.datasets.clinc150_intents import DOMAINS
from sibyl.errors import DataError, UnknownName
from sibyl.features import check_disjoint
from tests.real_data import DATA, needs_data


def write_json(path: Path) -> Path:
    intents = [intent for names in DOMAINS.values() for intent in names]
    content = {
        "train": [[f"please {intent}", intent] for intent in intents],
        "test": [[f"now {intent}", intent] for intent in intents],
        "oos_test": [["what is the sound of one hand", "oos"]],
    }
    path.write_text(json.dumps(content))
    return path


def test_all_intents_are_in_one_split_each() -> None:
    assert [len(names) for names in DOMAINS.values()] == [15] * 10
    assert len({intent for names in DOMAINS.values() for intent in names}) == 150
    check_disjoint(SPLIT_DOMAINS)
    assert sorted(domain for domains in SPLIT_DOMAINS.values() for domain in domains) == sorted(DOMAINS)


@pytest.mark.parametrize(("split", "n_classes"), [("train", 90), ("validation", 30), ("test", 30)])
def test_the_official_json(tmp_path: Path, split: str, n_classes: int) -> None:
    write_json(tmp_path / "data_full.json")
    texts = load_clinc150(split, tmp_path)
    assert len(texts.class_names) == n_classes
    assert np.bincount(texts.labels).tolist() == [2] * n_classes
    for text, label in zip(texts.texts, texts.labels, strict=True):
        assert text.split()[1] == texts.class_names[label]
    assert len(set(texts.ids)) == len(texts)
    assert texts.take(np.array([3, 1])).texts == (texts.texts[3], texts.texts[1])


@needs_data
def test_the_real_table() -> None:
    sizes = {split: load_clinc150(split, DATA / "text") for split in SPLIT_DOMAINS}
    assert {split: len(texts) for split, texts in sizes.items()} == {"train": 13500, "validation": 4500, "test": 4500}
    assert all(np.bincount(texts.labels).tolist() == [150] * len(texts.class_names) for texts in sizes.values())


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"fetch https://.* and put it at {tmp_path}/data_full.json"):
        load_clinc150("test", tmp_path)
    (tmp_path / "data_full.json").write_text('{"train": [["a", "balance"]]}')
    with pytest.raises(DataError, match="30 intents of the test split are missing"):
        load_clinc150("test", tmp_path)
    (tmp_path / "data_full.json").write_text('{"train": [["a"]]}')
    with pytest.raises(DataError, match="entry 0 of 'train' is no"):
        load_clinc150("test", tmp_path)
    (tmp_path / "clinc150.tsv").write_text("label\ttext\n")
    with pytest.raises(DataError, match="expected the columns split, label, domain, text"):
        load_clinc150("test", tmp_path)
    (tmp_path / "clinc150.tsv").write_text("split\tlabel\tdomain\ttext\ntrain\tyes\n")
    with pytest.raises(DataError, match="line 2 has 2 columns, expected 4"):
        load_clinc150("test", tmp_path)
    with pytest.raises(UnknownName, match="split of clinc150"):
        load_clinc150("oos", tmp_path)
