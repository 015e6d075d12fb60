"""Data flows one way: a module imports only from its own layer or from those above it."""

from __future__ import annotations

import ast
from pathlib import Path

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
