"""Examples are programs, not packages: they are loaded from their files."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[2]

Load: TypeAlias = Callable[[str], ModuleType]
Start: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def load_example(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that loads an example as a module, with its folder to import from."""

    def load(name: str) -> ModuleType:
        path = ROOT / "examples" / name
        monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
        spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def start_example(tmp_path: Path) -> Start:
    """Return a function that runs an example as a person would; it gives the lines printed."""

    def start(name: str, *args: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-W", "error", str(ROOT / "examples" / name), *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    return start
