"""Pictures: of files and runs, as of now and of then, in every format."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from callboard import CallboardError, UsageError, _drawing
from callboard.cli._pictures import Film
from callboard.workflow import TaskSpec, WorkflowSpec, apply, commands, start
from callboard.workflow.events import RunCreated

if TYPE_CHECKING:
    from .conftest import Cli

FLOW = 'tasks: [{name: A, shell: "true"}, {name: "B & <C>", needs: [A]}]'
BEGINNINGS = {
    "svg": b"<?xml",
    "png": b"\x89PNG",
    "pdf": b"%PDF",
    "dot": b"digraph",
    "mmd": b"flowchart",
    "json": b"{",
}


@pytest.fixture
def flow() -> str:
    """Write a workflow's file."""
    Path("flow.yaml").write_text(FLOW)
    return "flow.yaml"


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_the_ending_picks_the_format(cli: Cli, flow: str, kind: str) -> None:
    done = cli("picture", flow, "-o", f"out.{kind}")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert Path(f"out.{kind}").read_bytes().startswith(BEGINNINGS[kind])
    assert not Path("callboard.db").exists()


def test_a_picture_that_has_no_folder_is_refused_before_anything_begins(
    cli: Cli, flow: str
) -> None:
    for words in (("run", flow, "--picture"), ("picture", flow, "-o")):
        done = cli(*words, "no/where.svg")
        assert (done.code, done.out) == (2, "")
        assert done.err == (
            "error: 'no/where.svg' cannot be written: there is no folder 'no'; make it first\n"
        )
    assert not Path("callboard.db").exists()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_run_leaves_the_last_picture_and_one_for_each_change(
    cli: Cli, flow: str, backend: str
) -> None:
    words = ["--picture", "last.svg", "--pictures", "each/change", "--backend", backend]
    assert cli("run", flow, *words, "--run-id", "r").code == 0
    assert "2 succeeded" in Path("last.svg").read_text()
    each = sorted(Path("each/change").iterdir())
    last = len(cli("events", "r", "--json").lines())
    assert [path.name for path in each] == [f"{number:06}.svg" for number in range(1, last + 1)]
    assert "pending" in each[0].read_text()
    assert "running" in each[1].read_text()
    assert each[-1].read_text() == Path("last.svg").read_text()


def test_pictures_are_told_by_the_log_alone(cli: Cli) -> None:
    Path("flow.yaml").write_text(
        'tasks: [{name: A, shell: "true"}, {name: B, needs: [A], shell: "exit 1"}]'
    )
    words = ["--pictures", "each", "--run-id", "r"]
    assert cli("run", "flow.yaml", "--concurrency", "1", *words).code == 1
    for path in sorted(Path("each").iterdir()):
        assert cli("picture", "r", "--at", str(int(path.stem)), "-o", "again.svg").code == 0
        assert Path("again.svg").read_text() == path.read_text()


def test_a_large_run_leaves_a_picture_only_now_and_then() -> None:
    tasks = tuple(TaskSpec(id=f"t{number}", name=f"t{number}") for number in range(250))
    spec = WorkflowSpec(name="w", tasks=tasks)
    run, events, _ = start(RunCreated(at=0.0, run="r", spec=spec))
    for task in list(run.tasks):
        events += apply(run, commands.SucceedStep(task=task), 1.0)[0]
    film = Film("r", deque(events))
    names: list[str] = []
    while (found := film.next()) is not None:
        names.append(found[0])
        film.waiting = None
    assert names == [
        *(f"{number:06}.svg" for number in range(3, len(events), 3)),
        f"{len(events):06}.svg",
    ]


def test_a_hole_is_unfolded(cli: Cli, flow: str) -> None:
    assert cli("picture", flow, "--unfold", "all").code == 0
    wrong = cli("picture", flow, "--unfold", "h")
    assert wrong.code == 2
    assert "no open hole 'h'" in wrong.err


def test_a_picture_is_of_now_or_of_then(cli: Cli, flow: str) -> None:
    assert cli("run", flow, "--run-id", "r").code == 0
    assert "2 succeeded" in cli("picture", "r").out
    assert "1 pending" in cli("picture", "r", "--at", "2").out
    nodes = cli("picture", "--json").json()["nodes"]
    assert [node["state"] for node in nodes] == ["succeeded", "succeeded"]
    assert cli("picture", "r", "--at", "999").code == 2
    assert cli("picture", flow, "--at", "1").code == 2


@pytest.mark.parametrize("run", ["nightly.json", "a:b"])
def test_a_run_may_be_called_like_a_file(cli: Cli, flow: str, run: str) -> None:
    assert "there is no such file" in cli("picture", "nightly.json").err
    assert not Path("callboard.db").exists()
    cli("run", flow, "--run-id", run)
    assert cli("picture", run, "--json").json()["run"] == run
    assert cli("picture", run, "--at", "1", "--json").json()["run"] == run


def test_a_file_is_meant_before_a_run(cli: Cli, flow: str) -> None:
    cli("run", flow, "--run-id", flow)
    assert cli("picture", flow, "--json").json()["run"] is None


def test_an_interrupted_picture_of_a_failed_run_is_drawn_too(cli: Cli) -> None:
    Path("flow.yaml").write_text('tasks: [{name: A, shell: "exit 1"}]')
    assert cli("run", "flow.yaml", "--picture", "last.dot").code == 1
    assert "failed" in Path("last.dot").read_text()


def test_a_picture_that_cannot_be_written_does_not_change_what_the_run_came_to(cli: Cli) -> None:
    Path("flow.yaml").write_text('tasks: [{name: A, shell: "rm -r no"}]')
    Path("no/such/folder").mkdir(parents=True)
    done = cli("run", "flow.yaml", "--picture", "no/such/folder/x.dot")
    assert done.code == 0
    assert "no/such/folder" in done.err
    assert "Traceback" not in done.err


def test_without_anything_that_draws_the_remedies_are_named(
    cli: Cli, flow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_drawing, "_has_pygraphviz", lambda: False)
    monkeypatch.setenv("PATH", "")
    done = cli("run", flow, "--picture", "x.svg")
    assert done.code == 2
    assert ".[draw]" in done.err
    assert "Graphviz" in done.err
    assert not Path("callboard.db").exists()
    assert cli("picture", flow, "-o", "x.dot").code == 0


async def test_what_is_no_graph_is_an_error_not_a_crash() -> None:
    with pytest.raises(CallboardError, match="could not be drawn"):
        await _drawing.draw("this is no graph", "svg")
    with pytest.raises(UsageError, match="'gif'"):
        await _drawing.draw("digraph {}", "gif")


async def test_a_drawing_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(_drawing, "_drawn", never)
    monkeypatch.setattr(_drawing, "DRAW_SECONDS", 0.01)
    with pytest.raises(CallboardError, match="too large"):
        await _drawing.draw("digraph {}", "svg")
