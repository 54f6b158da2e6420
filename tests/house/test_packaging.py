"""What is built is what stands in the tree, and what is promised about setting it up is true."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

FOLDERS = ("actors", "storage", "supervisor", "workflow")


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    """Read the build's description."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_is_named(root: Path, pyproject: dict[str, Any]) -> None:
    """Setuptools is told each package by name; one that is forgotten would be left out."""
    # Not told apart by their names: a clone may stand in a folder of any name.
    source = root / "src" / "callboard"
    places = [(source, folder) for folder in source.iterdir()]
    places += [(root, root / name) for name in FOLDERS]
    found = {
        ".".join(["callboard", *init.parent.relative_to(base).parts])
        for base, folder in places
        if folder.is_dir() and not folder.is_symlink()
        for init in folder.rglob("__init__.py")
    } | {"callboard"}
    named = pyproject["tool"]["setuptools"]["packages"]
    assert named == sorted(found)


def test_every_root_folder_is_mapped(root: Path, pyproject: dict[str, Any]) -> None:
    mapped = {"": "src"} | {f"callboard.{folder}": folder for folder in FOLDERS}
    assert pyproject["tool"]["setuptools"]["package-dir"] == mapped
    assert all((root / folder / "__init__.py").is_file() for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_link_leads_to_its_folder(root: Path, folder: str) -> None:
    link = root / "src" / "callboard" / folder
    if link.is_symlink():
        assert link.readlink() == Path("../..") / folder
        assert link.resolve() == root / folder
    elif link.is_file():  # a checkout without links keeps where each leads as text
        assert link.read_text(encoding="utf-8") == f"../../{folder}"
    else:
        assert not link.exists(), "a folder stands where a link should"
        pytest.skip("an unpacked archive carries no links; only type checking needs them")


def test_the_version_stands_in_one_place(
    root: Path, pyproject: dict[str, Any], python_files: list[Path]
) -> None:
    number = pyproject["project"]["version"]
    assert version("callboard") == number, "the installation is stale: install it again"
    literal = re.compile(r"""^__version__\s*(?::.*)?=\s*["']""", re.MULTILINE)
    assert not [path for path in python_files if literal.search(path.read_text(encoding="utf-8"))]
    changes = re.findall(
        r"^## \[?([\w.]+)", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert number in changes[:2], "the changelog does not begin with this version"


def test_the_package_is_marked_as_typed(root: Path) -> None:
    assert (root / "src" / "callboard" / "py.typed").is_file()


@pytest.mark.parametrize("name", ["try", "test"])
def test_the_readme_gives_the_commands_that_are_checked(root: Path, name: str) -> None:
    """README, CONTRIBUTING and `.ci/run` give word for word the same commands."""
    found = re.search(
        rf"^{name}_command='(.+)'$", (root / ".ci" / "run").read_text("utf-8"), re.MULTILINE
    )
    assert found
    assert found[1] in (root / "README.md").read_text("utf-8").splitlines()
    if name == "test":
        assert found[1] in (root / "CONTRIBUTING.md").read_text("utf-8").splitlines()
