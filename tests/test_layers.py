"""Data flows one way: a module imports only from its own layer or from those above it."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

import sibyl

ORDER = (
    "install", "errors", "messages", "stages", "locks", "storage", "tensors", "folders", "together", "growing", "memmap", "schemas", "seeding", "threads", "devices", "features", "tasks", "class_mix", "episodes", "sources", "datasets", "backbones", "encoders", "methods",
    "evaluation", "inference", "inference_plot", "training", "pretrained", "compare", "transduction", "export", "estimators", "labeling", "sharding", "reviewing", "demo", "demo_pictures", "cli",
)  # fmt: skip
SOURCE = Path(sibyl.__file__).parent


def layer_of(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path) -> list[str]:
    """Modules of sibyl that a file imports, inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return [name for name in found if name.startswith("sibyl.")]


def upward(source: Path, order: tuple[str, ...]) -> list[str]:
    wrong = []
    for path in sorted(source.rglob("*.py")):
        relative = path.relative_to(source)
        own = relative.parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for name in imports(path):
            if order.index(layer_of(name)) > order.index(own):
                wrong.append(f"{relative} imports {name}")
    return wrong


def test_every_room_is_in_the_order() -> None:
    rooms = {path.name.removesuffix(".py") for path in SOURCE.iterdir() if not path.name.startswith("__")}
    assert rooms - set(ORDER) <= {"py.typed", "weights"}


def test_no_module_imports_from_below() -> None:
    assert upward(SOURCE, ORDER) == []


def test_a_planted_upward_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("def f() -> None:\n    from sibyl.methods.sib import SIB\n")
    assert upward(tmp_path, ORDER) == ["tasks.py imports sibyl.methods.sib"]


def module_of(path: Path, source: Path) -> str:
    return ".".join(["sibyl", *path.relative_to(source).with_suffix("").parts]).removesuffix(".__init__")


def imported_modules(path: Path, known: set[str], own: str) -> set[str]:
    """Modules that a file imports when it is itself imported: not those within functions, nor those for type checkers alone."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inside & known if inside & known else {node.module}
    return found & known - {own}


def graph_of(source: Path) -> dict[str, set[str]]:
    modules = {module_of(path, source): path for path in source.rglob("*.py")}
    return {name: imported_modules(path, set(modules), name) for name, path in modules.items()}


def test_no_circle_of_imports() -> None:
    TopologicalSorter(graph_of(SOURCE)).prepare()


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from sibyl.b import g\n")
    (tmp_path / "b.py").write_text("from sibyl import a\n")
    with pytest.raises(CycleError):
        TopologicalSorter(graph_of(tmp_path)).prepare()


def test_files_are_short() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert median(lines.values()) <= 100
    long = {path.relative_to(SOURCE).as_posix() for path, number in lines.items() if number > 300}
    assert long == set()


@pytest.mark.parametrize("folder", ["runs", "benchmarks"])
def test_scripts_are_short(folder: str) -> None:
    paths = list((Path(__file__).resolve().parents[1] / folder).glob("*.py"))
    assert paths
    assert [path.name for path in paths if len(path.read_text(encoding="utf-8").splitlines()) > 300] == []
