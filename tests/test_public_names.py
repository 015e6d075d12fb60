"""The public names: complete, resolvable, and cheap to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sibyl


def test_type_checkers_see_the_names_where_they_are() -> None:
    tree = ast.parse(Path(sibyl.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {(one.asname, node.module) for node in block.body if isinstance(node, ast.ImportFrom) for one in node.names}
    assert seen == set(sibyl._HOME.items())
    assert set(sibyl.__all__) == set(sibyl._HOME)


@pytest.mark.parametrize("name", sibyl.__all__)
def test_every_name_resolves_and_is_documented(name: str) -> None:
    value = getattr(sibyl, name)
    if not name.isupper():
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="oracle"):
        _ = sibyl.oracle


def test_import_and_help_do_not_load_torch() -> None:
    code = "import sys, sibyl, sibyl.cli.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
