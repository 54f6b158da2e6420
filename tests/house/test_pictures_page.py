"""The pictures in the guide are what the product draws now."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from callboard._drawing import draw

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "pictures.md"


@pytest.fixture
def maker() -> ModuleType:
    """Load the program that draws them."""
    spec = importlib.util.spec_from_file_location(
        "make_pictures", ROOT / "docs" / "make_pictures.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def structure(svg: str) -> Counter[str]:
    """Return what is drawn, without where: nodes, edges and frames by name, texts, colours."""
    return Counter(re.findall(r'<title>.*?</title>|(?<=>)[^<>\n]+(?=</text>)|fill="[^"]*"', svg))


async def test_the_pictures_are_what_is_drawn_now(maker: ModuleType) -> None:
    """Draw them anew with ``python docs/make_pictures.py``."""
    pytest.importorskip("pygraphviz")
    for name, scene in maker.SCENES.items():
        kept = (maker.FOLDER / f"{name}.svg").read_text(encoding="utf-8")
        drawn = (await draw(scene().to_dot(), "svg")).decode()
        assert structure(kept) == structure(drawn), name


def test_the_page_shows_them_all(maker: ModuleType) -> None:
    shown = re.findall(r"\(pictures/(\w+)\.svg\)", PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(maker.SCENES)
    assert {path.stem for path in maker.FOLDER.glob("*.svg")} == {*maker.SCENES}


def test_the_page_names_the_thresholds() -> None:
    from callboard.workflow._picture import MAY_MAX
    from callboard.workflow._picture_fold import FEW, FOLDED_MAX, NODES_MAX, SIBLINGS_MAX
    from callboard.workflow._picture_may import EXACT_MAX

    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for words in (
        f"More than {SIBLINGS_MAX} equal siblings",
        f"a picture of more than {NODES_MAX} nodes more than {FEW} are",
        f"more than {FOLDED_MAX} nodes are left",
        f"More than {MAY_MAX} such edges",
        f"up to {EXACT_MAX} tasks",
    ):
        assert words in text
