"""`callboard run` in this process: what it prints, and what it leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli

DATA = Path(__file__).parent / "data"
EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = "tasks: [{name: A}, {name: B, needs: [A]}, {name: C, needs: [A]}, {name: D, needs: [B, C]}]"


def write(text: str, name: str = "flow.yaml") -> str:
    """Write a workflow's file and return its name."""
    Path(name).write_text(text)
    return name


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_steps_succeed_and_the_summary_counts_them(cli: Cli, backend: str) -> None:
    done = cli("run", write(STEPS), "--backend", backend)
    assert done.code == 0
    (summary,) = done.out.splitlines()
    assert re.fullmatch(
        r"run \w+ of flow succeeded in .*: 4 of 4 tasks succeeded; "
        r"4 of them had no kind: nothing was done for them; see callboard show \w+",
        summary,
    )
    run = summary.split()[1]
    assert f"run {run} of flow in sqlite:///callboard.db" in done.err
    assert Path("callboard.db").exists()


def test_json_is_the_result_and_stands_alone_on_stdout(cli: Cli) -> None:
    done = cli("run", write(STEPS), "--json", "--run-id", "mine")
    result = done.json()
    assert result["run"] == "mine"
    assert result["state"] == "succeeded"
    assert result["order"][0] == "a"
    assert result["order"][-1] == "d"
    assert result["tasks"]["d"]["needs"] == ["b", "c"]
    assert "run mine of flow succeeded" in done.err
    again = cli("run", "flow.yaml", "--run-id", "mine")
    assert again.code == 2
    assert "there is a run 'mine' already" in again.err


def test_the_loan_file_as_it_was_printed_is_refused_and_nothing_is_stored(cli: Cli) -> None:
    done = cli("run", str(DATA / "seed.yaml"))
    assert done.code == 2
    assert done.out == ""
    first, second = done.err.splitlines()
    assert first.endswith(
        'unknown task "Open Load Application" in needs of "Review Application Details"; '
        'did you mean "Open Loan Application"?'
    )
    assert 'unknown task "Check House" in needs of "Send Email"; ' in second
    assert "Review" in second.split(";")[1]
    assert list(Path.cwd().iterdir()) == []


def test_the_corrected_loan_file_runs_in_a_valid_order(cli: Cli) -> None:
    done = cli("run", str(EXAMPLES / "loan" / "loan.yaml"), "--json", "--input", "amount=2000000")
    assert done.code == 0
    result = done.json()
    order = result["order"]
    for name, task in result["tasks"].items():
        assert all(order.index(need) < order.index(name) for need in task["needs"])
    assert result["inputs"] == {"applicant": "Ada", "amount": 2_000_000.0}
    assert result["output"] == "Dear Ada, We cannot grant you the loan of 2,000,000."
    logs = cli("logs", result["run"], "Review Credit", "--json").lines()
    assert [line["stream"] for line in logs].count("progress") == 5


def test_inputs_are_checked_before_anything_is_stored(cli: Cli) -> None:
    flow = write("inputs: {amount: {type: number}, who: {type: string, default: me}}\ntasks: []")
    done = cli("run", flow, "--input", "amount=much", "--input", "wo=x")
    assert done.code == 2
    assert 'no input "wo"; did you mean "who"?' in done.err
    assert 'input "amount" must be a number, not the text "much"' in done.err
    assert cli("run", flow, "--input", "amount").code == 2
    twice = cli("run", flow, "--input", "amount=1", "--input", "amount =2")
    assert (twice.code, twice.err) == (2, "error: --input gives 'amount' more than once\n")
    assert not Path("callboard.db").exists()


@pytest.mark.parametrize(
    ("task", "code", "state"),
    [
        ('{name: A, shell: "exit 3"}', 1, "failed"),
        ("{name: A, python: no.py}", 3, "not_ready"),
        ('{name: A, timeout: 50ms, shell: "sleep 9"}', 1, "failed"),
    ],
)
def test_the_exit_code_tells_how_the_run_ended(cli: Cli, task: str, code: int, state: str) -> None:
    Path("no.py").write_text('print(\'{"type": "not_ready", "message": "later"}\')')
    done = cli("run", write(f"tasks: [{task}, {{name: B, needs: [A]}}]"), "--json")
    assert done.code == code
    result = done.json()
    assert result["state"] == state
    assert result["tasks"]["b"]["state"] in ("upstream_failed", "skipped")


def test_the_summary_of_a_failed_run_says_why_and_where_to_look(cli: Cli) -> None:
    done = cli("run", write('tasks: [{name: Break It, shell: "echo no >&2; exit 3"}]'))
    assert done.code == 1
    assert "Break It failed: " in done.out
    assert re.search(r"see callboard logs \w+ break-it$", done.out.strip())


def test_a_run_s_own_timeout_ends_it(cli: Cli) -> None:
    done = cli("run", write('timeout: 100ms\ntasks: [{name: A, shell: "sleep 9"}]'), "--json")
    assert (done.code, done.json()["state"]) == (1, "timed_out")


def test_plain_lines_tell_of_each_task_and_no_progress_of_none(cli: Cli) -> None:
    flow = write('tasks: [{name: A, shell: "true"}, {name: B, needs: [A]}]')
    told = cli("run", flow).err
    for line in ("A: running", "A: succeeded in", "B: succeeded, it has no kind"):
        assert line in told
    assert "A: running" not in cli("run", flow, "--no-progress").err


def test_a_python_file_gives_a_workflow(cli: Cli) -> None:
    Path("flow.py").write_text(
        "import callboard as cb\n"
        "@cb.task\n"
        "def double(n):\n    return 2 * n\n"
        "@cb.workflow\n"
        "def twice(w, n=1):\n    return w.add(double, w.add(double, n))\n"
    )
    done = cli("run", "flow.py:twice", "--input", "n=5", "--json")
    assert (done.code, done.json()["output"]) == (0, 20)
    assert cli("run", "flow.py:double").code == 2
    assert "name the workflow in it, as flow.py:name" in cli("run", "flow.py").err


def test_a_store_in_memory_leaves_nothing(cli: Cli) -> None:
    done = cli("run", write(STEPS), "--store", "memory:")
    assert done.code == 0
    assert "it was kept in memory alone" in done.out
    assert not Path("callboard.db").exists()


def test_concurrency_limits_how_many_run_at_once(cli: Cli) -> None:
    check = "mkdir lock && sleep 0.05 && rmdir lock"
    tasks = ", ".join(f'{{name: "{n}", shell: "{check}"}}' for n in range(4))
    assert cli("run", write(f"tasks: [{tasks}]"), "--concurrency", "1").code == 0
    assert cli("run", "flow.yaml", "--concurrency", "0").code == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "nothing.yaml"], "nothing.yaml"),
        (["run", "flow.yaml", "--store", "ftp://x"], "ftp://x"),
        (["run", "flow.yaml", "--picture", "x.gif"], ".svg .png .pdf .dot .mmd .json"),
        (["run"], "Missing argument 'FILE'"),
        (["walk"], "No such command 'walk'"),
    ],
)
def test_a_user_s_mistake_is_one_sentence_without_a_traceback(
    cli: Cli, words: list[str], sentence: str
) -> None:
    write(STEPS)
    done = cli(*words)
    assert done.code == 2
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert not Path("callboard.db").exists()


def test_debug_shows_the_traceback(cli: Cli) -> None:
    done = cli("run", "nothing.yaml", "--debug")
    assert done.code == 2
    assert "Traceback" in done.err


def test_a_store_that_cannot_be_opened_is_a_sentence(cli: Cli) -> None:
    done = cli("run", write(STEPS), "--store", "sqlite:///no/such/folder/x.db")
    assert done.code == 4
    assert "does not exist" in done.err
    assert "Traceback" not in done.err


def test_a_clean_up_workflow_is_waited_for(cli: Cli) -> None:
    tidy = 'inputs: {run: {type: string}}\ntasks: [{name: tidy, shell: "touch tidied"}]'
    write(tidy, "tidy.yaml")
    fails = write('failure_workflow: tidy.yaml\ntasks: [{name: A, shell: "exit 1"}]')
    done = cli("run", fails, "--run-id", "r")
    assert done.code == 1
    assert Path("tidied").exists()
    summary, followed = done.out.splitlines()
    assert "run r of flow failed" in summary
    assert re.fullmatch(
        "its failure workflow: run r.failure of tidy succeeded in .*: 1 of 1 task succeeded; "
        "see callboard show r.failure",
        followed,
    )
    assert "run r failed: its failure workflow runs as r.failure" in done.err
    assert cli("run", fails, "--json").json()["state"] == "failed"


def test_a_failure_workflow_that_was_not_needed_is_not_spoken_of(cli: Cli) -> None:
    write("tasks: [{name: T}]", "tidy.yaml")
    done = cli("run", write("failure_workflow: tidy.yaml\ntasks: [{name: A}]"))
    assert (done.code, "failure workflow" in done.out + done.err) == (0, False)


def test_a_store_of_another_place_is_named_in_what_to_do_next(cli: Cli) -> None:
    done = cli("run", write(STEPS), "--store", "sqlite:///other place.db")
    assert done.out.strip().endswith("--store 'sqlite:///other place.db'")
    assert json.loads(cli("runs", "--store", "sqlite:///other place.db", "--json").out)
