"""Draws the pictures of ``guide/pictures.md``: ``python docs/make_pictures.py``.

The product draws them, of runs that are told here step by step, so they cannot show what it does
not do; a test compares what stands in them with what it draws now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import anyio

from callboard._drawing import draw
from callboard.workflow import (
    Failure,
    HoleSpec,
    Picture,
    Run,
    TaskSpec,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    picture,
    picture_of_spec,
    start,
)

FOLDER: Final = Path(__file__).parent / "guide" / "pictures"


def workflow(name: str, needs: Mapping[str, str], **more: Any) -> WorkflowSpec:
    """Return a workflow: each task with what it needs; those in capitals can create."""
    tasks = tuple(
        TaskSpec(
            id=task,
            name=task,
            kind="python" if task.isupper() else "shell",
            needs=tuple(on.split()),
        )
        for task, on in needs.items()
    )
    return WorkflowSpec(name=name, tasks=tasks, **more)


def hole(shape: str) -> HoleSpec:
    """Return a hole between A and B, which A fills."""
    return HoleSpec(id="h", shape=shape, owner="A", after=("A",), before=("B",))


def begun(spec: WorkflowSpec) -> Run:
    """Begin a run."""
    return start(ev.RunCreated(at=0.0, run="r1", spec=spec))[0]


def begin(run: Run, *names: str) -> None:
    """Let tasks begin."""
    for name in names:
        apply(run, c.Begin(task=name, fence=f"fence of {name}"), 0.0)


def ok(run: Run, *names: str) -> None:
    """Let tasks succeed."""
    for name in names:
        if run.tasks[name].fence is None:
            begin(run, name)
        apply(run, c.Succeed(task=name, fence=f"fence of {name}"), 0.0)


def create(run: Run, *labels: str) -> None:
    """Let A create tasks."""
    new = tuple(c.AddTask(name=label) for label in labels)
    apply(run, c.Grow(commands=new, task="A", fence="fence of A"), 0.0)


# --- the scenes -----------------------------------------------------------------------------------

CRAWL: Final = workflow(
    "crawl", {"A": "", "B": ""}, holes=(hole("page*"),), promises=("closed", "at most 2000 page")
)
EITHER: Final = workflow(
    "either", {"A": "", "B": ""}, holes=(hole("(N -> M) | (J -> K)"),), promises=("closed",)
)


def before() -> Picture:
    """Return a definition with a hole."""
    return picture_of_spec(CRAWL)


def growing() -> Picture:
    """Return the same, while its hole is being filled."""
    run = begun(CRAWL)
    begin(run, "A")
    create(run, "page", "page", "page")
    return picture(run)


def large() -> Picture:
    """Return the same with a thousand tasks."""
    run = begun(CRAWL)
    begin(run, "A")
    create(run, *["page"] * 1000)
    ok(run, "A", *(f"A/page-{number}" for number in range(1, 901)))
    begin(run, *(f"A/page-{number}" for number in range(901, 909)))
    return picture(run)


def either() -> Picture:
    """Return a choice with its alternatives."""
    return picture_of_spec(EITHER, unfold=("all",))


def anything() -> Picture:
    """Return an open run, in which edges may still come."""
    run = begun(workflow("open", {"A": "", "test": "", "ship": "test"}))
    begin(run, "A")
    return picture(run)


def failed() -> Picture:
    """Return a run in which something failed."""
    needs = {"network": "", "database": "network", "queue": "network", "cache": "network"}
    needs |= {"api": "database queue", "worker": "queue", "check": "api worker cache"}
    run = begun(workflow("cluster", needs))
    ok(run, "network", "database")
    begin(run, "queue", "cache")
    bad = Failure(kind="exit", message="exit status 1")
    apply(run, c.Fail(task="queue", failure=bad, fence="fence of queue"), 0.0)
    return picture(run)


SCENES: Final[Mapping[str, Callable[[], Picture]]] = {
    each.__name__: each for each in (before, growing, large, either, anything, failed)
}


async def main() -> None:
    """Draw them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, scene in SCENES.items():
        (FOLDER / f"{name}.svg").write_bytes(await draw(scene().to_dot(), "svg"))


if __name__ == "__main__":
    anyio.run(main)
