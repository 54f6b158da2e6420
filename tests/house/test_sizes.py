"""Files and functions stay small enough to be read in one sitting.

A module that must be longer says why in its docstring, after the words `Over the size limit:`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

LINES_PER_FILE_MAX = 600
LINES_PER_FUNCTION_MAX = 70
EXCUSE = "Over the size limit:"


def too_long(source: str) -> Iterator[str]:
    """Name what is longer than it should be in a module that gives no reason for it."""
    tree = ast.parse(source)
    if EXCUSE in (ast.get_docstring(tree) or ""):
        return
    if (lines := len(source.splitlines())) > LINES_PER_FILE_MAX:
        yield f"{lines} lines, at most {LINES_PER_FILE_MAX}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LINES_PER_FUNCTION_MAX:
                yield f"{node.name}() has {lines} lines, at most {LINES_PER_FUNCTION_MAX}"


def test_no_file_and_no_function_is_too_long(python_files: list[Path], root: Path) -> None:
    assert python_files
    assert [
        f"{path.relative_to(root)}: {what}"
        for path in python_files
        for what in too_long(path.read_text(encoding="utf-8"))
    ] == []


def test_the_limits_are_judged() -> None:
    function = "def f():\n" + "    x = 1\n" * LINES_PER_FUNCTION_MAX
    assert list(too_long(function)) == ["f() has 71 lines, at most 70"]
    assert list(too_long("x = 1\n" * 601)) == ["601 lines, at most 600"]
    assert list(too_long(f'"""A table. {EXCUSE} it is data."""\n' + function)) == []
