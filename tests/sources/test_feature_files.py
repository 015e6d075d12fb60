from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from sibyl.errors import DataError
from sibyl.features import Features
from sibyl.sources.feature_files import ENDINGS, load_features

MATRIX = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
LABELS = ["cat", "dog", "", "cat", "ant", "dog"]
NUMBERS = [1, 2, -1, 1, 0, 2]
IDS = [f"photo {row}.jpg" for row in range(6)]
Matrix = npt.NDArray[np.generic]


def write_npz(path: Path, matrix: Matrix) -> None:
    np.savez(path, features=matrix, labels=np.array(LABELS), ids=np.array(IDS))


def write_parquet_lists(path: Path, matrix: Matrix) -> None:
    pq.write_table(pa.table({"item": IDS, "embedding": list(matrix), "label": [name or None for name in LABELS]}), path)


def write_parquet_columns(path: Path, matrix: Matrix) -> None:
    frame = pd.DataFrame(matrix, columns=[f"f{k}" for k in range(4)]).assign(label=LABELS, id=IDS)
    frame.to_parquet(path, index=False)


def write_csv(path: Path, matrix: Matrix) -> None:
    pd.DataFrame(matrix).assign(Label=LABELS, id=IDS).to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


WRITERS: dict[str, Callable[[Path, Matrix], None]] = {
    "a.npz": write_npz,
    "lists.parquet": write_parquet_lists,
    "columns.parquet": write_parquet_columns,
    "a.csv": write_csv,
    "a.tsv": write_csv,
}


@pytest.mark.parametrize("name", WRITERS)
def test_matrix_labels_and_ids_come_through(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, MATRIX)
    features = load_features(tmp_path / name)
    assert np.allclose(features.matrix, MATRIX, atol=1e-6)
    assert features.matrix.dtype == np.float32
    assert features.class_names == ("ant", "cat", "dog")
    assert features.labels.tolist() == NUMBERS
    assert features.ids == tuple(IDS)
    assert features.provenance == {"file": name}


@pytest.mark.parametrize("name", WRITERS)
def test_rows_that_are_not_finite_are_named(tmp_path: Path, name: str) -> None:
    bad = MATRIX.copy()
    bad[3, 2] = np.nan
    bad[5, 0] = np.inf
    WRITERS[name](tmp_path / name, bad)
    with pytest.raises(DataError, match=rf"{name}: .*row 3 \(photo 3\.jpg\), 5 \(photo 5\.jpg\) holds NaN or infinity"):
        load_features(tmp_path / name)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_damaged_files_are_named(tmp_path: Path, name: str, share: float) -> None:
    if share and name.endswith("sv"):
        return  # half a table is a table
    WRITERS[name](tmp_path / name, MATRIX)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=rf"{name}: (damaged|is empty)"):
        load_features(tmp_path / name)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8])
def test_npy_of_any_numbers(tmp_path: Path, dtype: npt.DTypeLike) -> None:
    matrix = np.arange(12).reshape(4, 3).astype(dtype)
    np.save(tmp_path / "a.npy", matrix)
    features = load_features(tmp_path / "a.npy")
    assert np.array_equal(features.matrix, matrix)
    assert features.labels.tolist() == [-1] * 4
    assert features.class_names == ()
    assert features.ids == ("0", "1", "2", "3")
    assert isinstance(features.matrix, np.memmap) == (dtype == np.float32)


def test_safetensors_with_bfloat16(tmp_path: Path) -> None:
    matrix = torch.arange(12.0).reshape(4, 3).bfloat16()
    save_file({"embeddings": matrix, "y": torch.tensor([7, 10, -1, 7])}, tmp_path / "a.safetensors")
    features = load_features(tmp_path / "a.safetensors")
    assert np.array_equal(features.matrix, np.arange(12.0).reshape(4, 3))
    assert features.class_names == ("7", "10")
    assert features.labels.tolist() == [0, 1, -1, 0]
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(content[:-5])
    with pytest.raises(DataError, match="damaged or not a safetensors file"):
        load_features(tmp_path / "a.safetensors")


def test_labels_from_elsewhere(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MATRIX)
    np.save(tmp_path / "labels.npy", np.array([3, 1, -1, 3, 20, 1]))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS) + "\n")
    assert load_features(tmp_path / "a.npy", labels=tmp_path / "labels.npy").class_names == ("1", "3", "20")
    assert load_features(tmp_path / "a.npy", labels=tmp_path / "labels.txt").labels.tolist() == NUMBERS
    assert load_features(tmp_path / "a.npy", labels=LABELS).labels.tolist() == NUMBERS
    with pytest.raises(DataError, match=r"a\.npy: 6 rows of features, but 5 labels; give one label per row"):
        load_features(tmp_path / "a.npy", labels=LABELS[:5])
    with pytest.raises(DataError, match="expected one label per row"):
        load_features(tmp_path / "a.npy", labels=tmp_path / "a.npy")
    with pytest.raises(DataError, match=r"absent\.txt: cannot be read as labels"):
        load_features(tmp_path / "a.npy", labels=tmp_path / "absent.txt")


def test_lengths_that_differ_within_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=MATRIX, y=np.arange(5))
    with pytest.raises(DataError, match="6 rows of features, but 5 labels"):
        load_features(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", features=MATRIX, ids=np.arange(7))
    with pytest.raises(DataError, match="6 rows of features, but 7 ids"):
        load_features(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", features=MATRIX, ids=np.zeros(6))
    with pytest.raises(DataError, match=r"a different id for each row \(6\)"):
        load_features(tmp_path / "a.npz")


def test_python_objects_are_not_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    np.savez(tmp_path / "a.npz", features=trap)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=f"{name}: holds Python objects, which are not read"):
            load_features(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_shapes_and_types_that_are_no_features(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(5))
    with pytest.raises(DataError, match=r"expected a matrix \[item, dim\], got an array of shape \[5\]"):
        load_features(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array([["a"]]))
    with pytest.raises(DataError, match="expected numbers, got values of type <U1"):
        load_features(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", one=MATRIX, two=MATRIX)
    with pytest.raises(
        DataError, match=r"expected one matrix of features, or one named 'features'; it holds one \[6, 4\], two \[6, 4\]"
    ):
        load_features(tmp_path / "a.npz")
    pq.write_table(pa.table({"embedding": [[1.0, 2.0], [3.0]]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"row \d of 'embedding': a vector of \d numbers?, others have \d"):
        load_features(tmp_path / "a.parquet")
    pq.write_table(pa.table({"embedding": [[1.0, 2.0], None]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 2 of 'embedding': no vector"):
        load_features(tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no vectors and no numbers, only text"):
        load_features(tmp_path / "a.parquet")


def test_tables_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2.5\n3,4\n")
    assert load_features(path).matrix.tolist() == [[1, 2.5], [3, 4]]
    path.write_text("\ufeffclass;a;b\nNA;1;2\nnull;3;4\n", encoding="utf-8")
    features = load_features(path)
    assert features.class_names == ()  # words for "not there", as in every table
    assert features.matrix.tolist() == [[1, 2], [3, 4]]
    path.write_text("kind,a,b\nx,1,2\n")
    assert load_features(path, label_name="kind").class_names == ("x",)
    with pytest.raises(DataError, match="row 1, column 'kind' holds 'x', expected a number; columns of text must be named"):
        load_features(path)
    with pytest.raises(DataError, match="holds no column 'sort'; it holds kind, a, b"):
        load_features(path, label_name="sort")
    path.write_text("a,b\n1\n2,3,4\n")
    with pytest.raises(DataError, match=r"a\.csv: "):
        load_features(path)
    path.write_text("label\nx\n")
    with pytest.raises(DataError, match="no columns of features"):
        load_features(path)
    path.write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="row 1, column 'a' holds"):
        load_features(path)


def test_a_number_too_large_for_float32_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1.0], [1e200]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=r"row 1 \(1\) holds NaN or infinity"):
            load_features(tmp_path / "a.npy")


def test_a_folder_of_features(tmp_path: Path) -> None:
    Features(MATRIX, np.array(NUMBERS, np.int64), ("ant", "cat", "dog"), tuple(IDS)).save(tmp_path / "saved")
    features = load_features(tmp_path / "saved")
    assert np.array_equal(features.matrix, MATRIX)
    assert features.labels.tolist() == NUMBERS


def test_unknown_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"unknown kind of feature file '\.pt'; known endings: {', '.join(ENDINGS)}"):
        load_features(tmp_path / "a.pt")
    with pytest.raises(DataError, match=r"unknown kind of feature file '\(no ending\)'"):
        load_features(tmp_path / "a")
    with pytest.raises(DataError, match=r"a\.csv: no such file"):
        load_features(tmp_path / "a.csv")


def test_a_header_that_is_no_literal_is_damage(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MATRIX)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(6, 4), }", b"(6, 4(, ["))
    with pytest.raises(DataError, match=r"a\.npy: damaged or not an array file"):
        load_features(tmp_path / "a.npy")
