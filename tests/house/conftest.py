"""What the tests of the house look at: the files that belong to the project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MADE = {"build", "dist", "__pycache__", "node_modules"}
PYTHON_ROOTS = ("src", "workflow", "actors", "storage", "supervisor", "tests", "examples")


@pytest.fixture(scope="session")
def root() -> Path:
    """Give the folder in which pyproject.toml stands."""
    return ROOT


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """List the project's files: what git tracks or, in an unpacked archive, what is not made."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0 and (ROOT / ".git").exists():
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not _is_made(path.relative_to(ROOT))]
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


@pytest.fixture(scope="session")
def python_files() -> list[Path]:
    """List the Python files that stand in the tree, each once, new ones included."""
    folders = [ROOT / name for name in (*PYTHON_ROOTS, "benchmarks")]
    found = [path for folder in folders for path in folder.rglob("*.py")]
    return sorted(
        path for path in found if path.resolve() == path and not _is_made(path.relative_to(ROOT))
    )


def _is_made(path: Path) -> bool:
    return any(
        part in MADE or part.endswith(".egg-info") or (part.startswith(".") and part != ".ci")
        for part in path.parts
    )
