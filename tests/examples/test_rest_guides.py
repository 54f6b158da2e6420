"""What the guides show with curl is run word for word, against ``callboard serve``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ADDRESS = "http://127.0.0.1:8700"
END = "-- end of what a block says --"


@attrs.frozen
class Shown:
    """Commands of a page, and what it says comes of them."""

    commands: str
    kind: str
    answer: str


def shown(page: str) -> list[Shown]:
    """Return the commands of a page, each with the answer that follows at once, if one does."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = [(match[1], match[2]) for match in BLOCK.finditer(text)]
    return [
        Shown(commands, *(after if after[0] in ("json", "text") else ("", "")))
        for (kind, commands), after in pairwise([*blocks, ("", "")])
        if kind == "sh"
    ]


@pytest.fixture
def url(tmp_path: Path, program: Callable[[str], str]) -> Iterator[str]:
    """A server of its own, for curl."""
    program("curl")
    command = [sys.executable, "-m", "callboard", "serve", "--store", "memory:", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().rpartition(" ")[2].strip()
        server.terminate()
        server.stdout.read()


@pytest.mark.parametrize(
    "page",
    ["guide/loan-over-rest.md", "guide/provisioning-over-rest.md", "reference/rest.md"],
)
def test_what_is_shown_is_what_comes(page: str, url: str, tmp_path: Path) -> None:
    blocks = shown(page)
    assert len(blocks) >= 10
    script = f"\necho; echo '{END}'\n".join(["set -eu", *(each.commands for each in blocks), ""])
    assert ADDRESS in script
    done = subprocess.run(
        ["bash"],
        input=script.replace(ADDRESS, url),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = [each.strip() for each in done.stdout.split(END)[1:-1]]
    for block, answer in zip(blocks, said, strict=True):
        if block.kind == "json":
            found = json.loads(answer)
            wanted = json.loads(block.answer)
            assert holds(found, wanted), f"{block.commands}\ngives {answer}\nnot {block.answer}"
        elif block.kind == "text":
            assert answer == block.answer.strip(), block.commands


def holds(found: Any, wanted: Any) -> bool:
    """Whether an answer is what is shown of it: of an object, some keys."""
    if isinstance(wanted, dict):
        keys = cast("dict[str, Any]", wanted)
        return isinstance(found, dict) and all(
            key in found and holds(found[key], each) for key, each in keys.items()
        )
    if isinstance(wanted, list):
        items = cast("list[Any]", wanted)
        return (
            isinstance(found, list)
            and len(cast("list[Any]", found)) == len(items)
            and all(map(holds, cast("list[Any]", found), items))
        )
    return bool(found == wanted)


def test_an_answer_is_compared_with_what_is_shown_of_it() -> None:
    assert holds({"a": 1, "b": [{"c": 2, "d": 3}]}, {"b": [{"c": 2}]})
    assert not holds({"a": 1}, {"a": 2})
    assert not holds({"a": [1, 2]}, {"a": [1]})
    assert not holds({}, {"a": None})


def test_the_reference_lists_every_endpoint_with_its_role() -> None:
    from callboard.web._endpoints import ENDPOINTS

    text = (DOCS / "reference" / "rest.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| (GET|POST|PUT|DELETE) /", line)]
    roles = [
        "everybody"
        if each.role is None
        else each.role
        if isinstance(each.role, str)
        else " or ".join(each.role)
        for each in ENDPOINTS
    ]
    assert rows == [
        f"| {each.method} {each.path} | {role} | {each.about} |"
        for each, role in zip(ENDPOINTS, roles, strict=True)
    ]
