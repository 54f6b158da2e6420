"""Recorded workflows take as long as theory says, whatever their graphs look like."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from callboard import testing

Load: TypeAlias = Callable[[str], ModuleType]
Start: TypeAlias = Callable[..., list[str]]

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "examples" / "recorded" / "small.json"
REAL = ROOT.parent / "shared" / "data"
REAL_FILES = sorted(REAL.glob("*.json"))
NOT_HERE = pytest.param(
    None, marks=pytest.mark.skip(reason="there are no recorded workflows in ../shared/data")
)
FILES = [pytest.param(path, id=path.stem) for path in (SMALL, *REAL_FILES)]


def longest_chain(path: Path) -> float:
    """Return the length of the critical path, worked out in another way than the product does."""
    workflow = json.loads(path.read_text())["workflow"]
    seconds = {task["id"]: task["runtimeInSeconds"] for task in workflow["execution"]["tasks"]}
    parents = {task["id"]: task["parents"] for task in workflow["specification"]["tasks"]}

    @cache
    def end(task: str) -> float:
        return float(seconds[task]) + max(map(end, parents[task]), default=0.0)

    return max(map(end, parents))


def all_work(path: Path) -> float:
    """Return how many seconds all tasks took together."""
    tasks = json.loads(path.read_text())["workflow"]["execution"]["tasks"]
    return float(sum(task["runtimeInSeconds"] for task in tasks))


@pytest.mark.parametrize("path", FILES if REAL_FILES else [*FILES, NOT_HERE])
def test_makespans_keep_to_their_bounds(load_example: Load, path: Path) -> None:
    """One slot takes all the work, enough of them the critical path, and others are between.

    Greedy scheduling on n slots takes at most work / n + critical path (Graham's bound).
    """
    example = load_example("recorded/recorded.py")
    slots = [1, 2, 4, 8, 16, 1000]
    spans = [example.makespan(result) for result in example.main(path, slots)]
    critical, work = longest_chain(path), all_work(path)
    assert spans[0] == pytest.approx(work)
    assert spans[-1] == pytest.approx(critical)
    for count, span in zip(slots, spans, strict=True):
        assert critical - 1e-6 <= span <= work / count + critical + 1e-6


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_both_backends_take_the_same_time(load_example: Load, backend: Any) -> None:
    example = load_example("recorded/recorded.py")
    result = testing.run(example.run, example.read(SMALL), 4, backend=backend, start=0)
    assert example.makespan(result) == pytest.approx(209)
    assert example.critical_seconds(result) == pytest.approx(144)


def test_another_file_is_refused_by_name(load_example: Load, tmp_path: Path) -> None:
    example = load_example("recorded/recorded.py")
    for text in ("{}", "[]", "no JSON", '{"workflow": null}'):
        path = tmp_path / "other.json"
        path.write_text(text)
        with pytest.raises(ValueError, match=r"other\.json is no WfFormat 1\.5 file"):
            example.read(path)


def test_as_a_program(start_example: Start) -> None:
    assert start_example("recorded/recorded.py", str(SMALL), "1", "4", "18") == [
        "sky-survey-small: 18 tasks, recorded in 171 s",
        "slots  makespan s  × critical path  × recorded",
        "    1       545.0            3.785       3.187",
        "    4       209.0            1.451       1.222",
        "   18       144.0            1.000       0.842",
        "critical path: 144.0 s",
    ]
