"""Imports point downward, stay relative inside the package, and each layer keeps to its means.

Every single import is checked here, those inside functions and under TYPE_CHECKING too; the
import-linter contract in pyproject.toml looks for detours through third modules.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# What each folder may use of ours, besides itself. The doors may use everything.
OURS = {
    "workflow": set[str](),
    "actors": set[str](),
    "storage": {"workflow", "actors"},
    "supervisor": {"workflow", "actors", "storage"},
}
# How data is declared, for all of them: it needs nothing of ours itself.
SHARED = "_frozen"
# Loaded on its own, in a process of its own, under its own name: a package beside ours.
STANDALONE = "_callboard_helper"
# What the bottom two may use of others, besides the standard library.
OTHERS = {"workflow": {"attrs"}, "actors": {"attrs", "anyio"}}
# The kernel decides and does nothing: no clock, no chance, no file, no loop.
IMPURE = {
    *("asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
    *("secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess"),
    *("tempfile", "threading", "time", "uuid"),
}


def misplaced(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """Name the imports that a module of the package must not have."""
    tree = ast.parse(source)
    lazy = {id(child) for node in ast.walk(tree) if _is_lazy(node) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in _targets(node, module, is_package=is_package):
                if reason := _refuse(module, target, lazy=id(node) in lazy):
                    yield f"line {node.lineno}: {target}: {reason}"


def _is_lazy(node: ast.AST) -> bool:
    """Tell whether what is inside is not run when the module is imported."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _targets(node: ast.Import | ast.ImportFrom, module: str, *, is_package: bool) -> list[str]:
    """Resolve an import to the names of modules; a relative one begins with our own name."""
    if isinstance(node, ast.Import):
        return [f"absolute {alias.name}" for alias in node.names]
    if node.level == 0:
        return [f"absolute {node.module}"]
    parts = module.split(".")
    kept = len(parts) - node.level + is_package
    base = [*parts[:kept], *(node.module.split(".") if node.module else [])]
    if len(base) > 1 or kept < 1:
        return [".".join(base)]
    return [".".join([*base, alias.name]) for alias in node.names]


def _refuse(module: str, target: str, *, lazy: bool) -> str | None:
    absolute, name = target.startswith("absolute "), target.removeprefix("absolute ")
    home, layer = [*module.split("."), ""][:2]
    top = name.split(".")[0]
    if absolute and top == home:
        return "inside the package imports are relative"
    if not absolute and top != home:
        return "the import leaves the package"
    if not absolute:
        used = name.split(".")[1]
        allowed = OURS.get(layer)
        if allowed is None or used in (layer, SHARED) or used in allowed:
            return None
        return f"{layer} stands below {used}"
    if layer == "workflow" and top in IMPURE:
        return "the kernel is pure"
    if layer not in OTHERS or top in sys.stdlib_module_names or top in OTHERS[layer]:
        return None
    if layer == "actors" and top == "trio" and lazy:
        return None
    return f"{layer} does without it"


def test_every_import_points_downward(root: Path) -> None:
    wrong: list[str] = []
    for folder, package in [("src/callboard", "callboard"), *((f, f"callboard.{f}") for f in OURS)]:
        for path in sorted((root / folder).rglob("*.py")):
            inner = path.relative_to(root / folder)
            if package == "callboard" and inner.parts[0] in OURS:
                continue  # a link: the real folder is looked at by itself
            names = [package, *inner.with_suffix("").parts]
            is_package = names[-1] == "__init__"
            if STANDALONE in names:
                names = names[names.index(STANDALONE) :]
            module = ".".join(names[:-1] if is_package else names)
            found = misplaced(path.read_text(encoding="utf-8"), module, is_package=is_package)
            wrong += [f"{path.relative_to(root)}, {what}" for what in found]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("callboard.storage._x", "from ..supervisor import Run", "storage stands below supervisor"),
        ("callboard.actors._x", "from .. import engine", "actors stands below engine"),
        ("callboard.supervisor._x", "from ..cli.main import f", "supervisor stands below cli"),
        ("callboard.workflow._x", "from ..actors import tell", "workflow stands below actors"),
        ("callboard.storage._x", "import callboard", "imports are relative"),
        ("callboard._engine", "from callboard.storage import Store", "imports are relative"),
        ("callboard._engine", "from ..storage import Store", "leaves the package"),
        ("callboard.workflow._x", "def f():\n    import time", "the kernel is pure"),
        ("callboard.workflow._x", "import anyio", "workflow does without it"),
        ("callboard.actors._x", "import trio", "actors does without it"),
        ("_callboard_helper.main", "from ..wire import X", "leaves the package"),
    ],
)
def test_a_planted_import_is_found(module: str, source: str, reason: str) -> None:
    (found,) = misplaced(source, module, is_package=False)
    assert reason in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("callboard.storage._x", "from ..workflow._run import Run"),
        ("callboard.workflow._x", "from .._frozen import frozen"),
        ("callboard.storage._x", "from .. import workflow, actors"),
        ("callboard.actors._x", "def f():\n    import trio"),
        ("callboard.actors._x", "if TYPE_CHECKING:\n    import trio"),
        ("callboard.cli._x", "from .. import Engine"),
        ("_callboard_helper.main", "import callboard.child\nfrom .wire import X"),
        ("callboard.cli._x", "from ..supervisor import Run"),
        ("callboard.workflow._x", "import datetime\nimport attrs"),
    ],
)
def test_a_proper_import_is_let_pass(module: str, source: str) -> None:
    assert list(misplaced(source, module, is_package=False)) == []


def test_a_package_resolves_its_dots_from_itself() -> None:
    assert list(misplaced("from ._x import Y", "callboard.workflow", is_package=True)) == []
    (found,) = misplaced("from ..cli import main", "callboard.workflow", is_package=True)
    assert "workflow stands below cli" in found
