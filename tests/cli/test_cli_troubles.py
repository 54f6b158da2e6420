"""What a person is told when something is amiss, and what to do is not plain to see."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from callboard.cli import _run, main
from callboard.cli._outcome import Settings
from callboard.cli._warnings import warnings_told

if TYPE_CHECKING:
    from .conftest import Cli, Terminal

    Start = Callable[..., Terminal]

FLOW = """
import os
import callboard as cb
import beside

@cb.task
def hold():
    with open("log", "a") as log:
        log.write("begun ")
    with open("gate") as gate:
        return gate.read()

@cb.workflow
def flow(w, amount: int = 1):
    return w.add(beside.after, w.add(hold))
"""
BESIDE = """
import callboard as cb

@cb.task
def after(text):
    return [text]
"""


def write(name: str, text: str) -> str:
    """Write a file and return its name."""
    Path(name).write_text(text)
    return name


def test_a_run_of_a_python_file_is_carried_on_by_another_process(
    terminal: Start, tmp_path: Path
) -> None:
    subprocess.run(["mkfifo", "gate"], check=True)
    write("beside.py", BESIDE)
    first = terminal("run", f"{write('flow.py', FLOW)}:flow")
    first.expect("hold: running")
    first.signal(signal.SIGKILL)
    first.process.wait()
    (tmp_path / "gate").unlink()
    write("gate", "open")
    second = terminal("resume", first.run, "--json")
    done = second.end()
    assert (done.code, done.json()["output"]) == (0, ["open"])


def test_inputs_that_a_python_workflow_does_not_take_are_refused(cli: Cli) -> None:
    write("beside.py", BESIDE)
    done = cli("run", f"{write('flow.py', FLOW)}:flow", "--input", "amout=3")
    assert (done.code, "'amout'" in done.err) == (2, True)
    assert not Path("callboard.db").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_like_it", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        (FLOW.replace("import beside", ""), "does not exist; workflows there: flow"),
    ],
)
def test_a_python_file_that_does_not_load_is_told_in_its_own_words(
    cli: Cli, text: str, words: str
) -> None:
    done = cli("run", f"{write('own.py', text)}:folw")
    assert (done.code, words in done.err, "callboard_file" in done.err) == (2, True, False)


@pytest.mark.parametrize("command", ["run", "validate", "picture"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('cannot begin')", "3: workflow 'w' cannot be built: SystemExit: cannot begin\n"),
        ("below()", "6: workflow 'w' cannot be built: JSONDecodeError: Expecting value: line 1 c"),
        ("b.edge('x', 'y')", "error: workflow 'w' has no task 'x'; add it first"),
    ],
)
def test_what_a_workflow_function_raises_is_told_in_its_own_words(
    cli: Cli, command: str, body: str, words: str
) -> None:
    text = f"import callboard as cb, json, sys\n@cb.workflow\ndef w(b): {body}\n"
    write("own.py", f"{text}\n\ndef below(): json.loads('')\n")
    done = cli(command, "own.py:w")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err


def test_a_workflow_function_without_the_builder_is_told_what_it_takes(cli: Cli) -> None:
    write("own.py", "import callboard as cb\n@cb.workflow\ndef w(n): ...\n")
    done = cli("run", "own.py:w", "--input", "n=1")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "its parameters must be the builder, then the run's inputs" in done.err


def test_a_missing_function_is_refused_before_anything_is_stored(cli: Cli) -> None:
    flow = write("flow.yaml", 'tasks: [{name: A, function: "no_such:one"}, {name: B, shell: ls}]')
    done = cli("run", flow)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "task 'A' needs 'no_such:one'" in done.err
    assert not Path("callboard.db").exists()


def test_what_cannot_start_is_told_while_a_run_is_carried_on(cli: Cli, terminal: Start) -> None:
    write("mine.py", "def one(): return 1")
    subprocess.run(["mkfifo", "gate"], check=True)
    flow = "tasks: [{name: Z, shell: 'read -r _ < gate'}, {name: A, function: 'mine:one'"
    write("flow.yaml", f"{flow}, needs: [Z]}}]")
    first = terminal("run", "flow.yaml")
    first.expect("Z: running")
    first.signal(signal.SIGKILL)
    first.process.wait()
    Path("mine.py").unlink()
    Path("gate").unlink()
    write("gate", "open\n")
    second = terminal("resume", first.run)
    second.expect("A of run .* cannot start: needs .*mine.*")
    second.signal(signal.SIGINT)
    assert second.end().code == 130


def test_where_a_function_failed_stands_in_its_logs(cli: Cli) -> None:
    write("mine.py", "def deep():\n    raise KeyError('k')\ndef one():\n    deep()\n")
    cli("run", write("flow.yaml", "tasks: [{name: A, function: 'mine:one'}]"))
    told = cli("logs", "latest", "A").out
    assert 'mine.py", line 2, in deep' in told
    assert "KeyError: 'k'" in told
    assert "_function.py" not in told
    assert cli("logs", "--json").out == ""


def test_the_task_that_failed_first_is_named(cli: Cli) -> None:
    flow = "tasks: [{name: Late, shell: exit 1}, {name: Early, shell: exit 2}]"
    cli("run", write("flow.yaml", flow), "--run-id", "r")
    cli("restart", "r", "Late")
    assert "Early failed: exit code 2" in cli("resume", "r").out


def test_a_signal_is_told_by_its_name(cli: Cli) -> None:
    flow = write("flow.yaml", "tasks: [{name: A, shell: 'kill -SEGV $$'}]")
    assert "killed by signal 11 (SIGSEGV)" in cli("run", flow).out


def test_a_large_output_is_shown_in_short(cli: Cli) -> None:
    shell = "head -c 100000 /dev/zero | tr '\\\\0' x"
    cli("run", write("flow.yaml", f'tasks: [{{name: A, shell: "{shell}"}}]'))
    shown = cli("show").out
    assert len(shown) < 2_000
    assert "--json shows all of it" in shown


@pytest.mark.parametrize(
    ("module", "how"),
    [("long_error", "raise ValueError(words)"), ("long_reason", "return cb.NotReady(words)")],
)
def test_a_long_message_is_shown_in_short(cli: Cli, module: str, how: str) -> None:
    function = f"def f():\n    words = 'x' * 100_000\n    {how}"
    write(f"{module}.py", f"import callboard as cb\n{function}\n")
    flow = write("flow.yaml", f"tasks: [{{name: A, function: '{module}:f'}}]")
    done, shown = cli("run", flow), cli("show")
    for told in (done.out, done.err, shown.out):
        assert 1_000 < len(told) < 3_000
        assert "--json shows all of it" in told


def test_events_call_tasks_by_their_names(cli: Cli) -> None:
    flow = "tasks: [{name: Break It, shell: exit 1}, {name: Then This, needs: [Break It]}]"
    cli("run", write("flow.yaml", flow))
    assert "Then This: upstream_failed" in cli("events").out


@pytest.mark.parametrize("debug", [False, True])
def test_what_is_logged_is_a_sentence(capfd: pytest.CaptureFixture[str], debug: bool) -> None:
    settings = Settings()
    settings.debug = debug
    logger = logging.getLogger("callboard.anything")
    with warnings_told(settings):
        try:
            raise ValueError("cause")
        except ValueError:
            logger.exception("it %s", "failed")
        logger.info("not told")
    told = capfd.readouterr().err
    assert told.splitlines()[0] == "it failed"
    assert ("Traceback" in told) is debug
    assert "not told" not in told


FULL = """
tasks:
  - {name: A, shell: "echo a >> log"}
  - {name: Long, shell: "echo long >> log; test -e gate || exec sleep 60"}
  - {name: Big, needs: [A], shell: "echo big >> log; head -c 900000 /dev/zero | base64"}
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_full_disk_sets_a_run_aside_at_once(cli: Cli, backend: str) -> None:
    flow = write("flow.yaml", FULL)
    # No file may grow past this: the system refuses to write, as it does on a full disk.
    words = f"run {flow} --run-id r --backend {backend}"
    limited = f'ulimit -f 600; exec "{sys.executable}" -m callboard {words}'
    full = subprocess.run(
        ["/bin/sh", "-c", limited], capture_output=True, text=True, timeout=50, check=False
    )
    assert full.returncode == 4
    assert sorted(Path("log").read_text().split()) == ["a", "big", "long"]
    assert "free some" in full.stderr
    assert "error: run r is set aside; carry on with callboard resume r" in full.stderr
    write("gate", "open")
    done = cli("resume", "r", "--backend", backend)
    assert done.code == 0, done.err
    assert sorted(Path("log").read_text().split()) == ["a", "big", "big", "long", "long"]


@pytest.mark.parametrize("run_id", ["a/b", "..", "", "a\nb"])
def test_an_id_that_no_address_can_hold(cli: Cli, run_id: str) -> None:
    Path("flow.yaml").write_text("workflow: w\ntasks: [{name: a, shell: 'true'}]\n")
    done = cli("run", "flow.yaml", "--run-id", run_id)
    assert done.code == 2
    assert "the id of a run" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("unread", [("stdout",), ("stderr",), ("stdout", "stderr")])
@pytest.mark.parametrize(("words", "code"), [("run flow.yaml --json", 1), ("show r --json", 2)])
def test_the_exit_code_is_the_same_if_nobody_reads(
    words: str, code: int, unread: tuple[str, ...]
) -> None:
    write("flow.yaml", "tasks: [{name: A, shell: exit 1}]")
    reader, writer = os.pipe()
    os.close(reader)
    out, err = (writer if each in unread else subprocess.DEVNULL for each in ("stdout", "stderr"))
    write("callboard.db", "")
    command = [sys.executable, "-m", "callboard", *words.split()]
    done = subprocess.run(command, stdout=out, stderr=err, check=False)
    os.close(writer)
    assert done.returncode == code


def test_what_came_of_a_run_is_told_though_stdout_is_full() -> None:
    write("flow.yaml", "tasks: [{name: A, shell: 'true'}]")
    for words in ([], ["--json"]):
        command = [sys.executable, "-m", "callboard", "run", "flow.yaml", *words]
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                command, stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 4
        assert "1 of 1 task succeeded" in done.stderr
        assert done.stderr.endswith(
            "\nerror: stdout cannot be written (No space left on device); send it elsewhere\n"
        )


def test_garbage_is_looked_for_when_a_command_has_started() -> None:
    program = """
import gc
from callboard.cli import main
usual, looks = gc.get_threshold(), []
gc.callbacks.append(lambda phase, _: looks.append(phase))
code = main()
at_start = len(looks)
kept = [[] for _ in range(300_000)]
print(code, at_start, len(looks) > 2, gc.get_threshold() == usual, len(gc.callbacks))
"""
    flow = write("flow.yaml", "tasks: [{name: A, shell: 'true'}]")
    command = [sys.executable, "-c", program, "run", flow, "--no-progress"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0 0 True True 1"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_interruption_before_a_run_is_taken_up(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    async def interrupted(_: _run.Session) -> None:
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    cli("run", write("flow.yaml", "tasks: [{name: A}]"))
    monkeypatch.setattr(_run, "_resume_all", interrupted)
    done = cli("resume", "--backend", backend)
    assert (done.code, "stopping in order" in done.err) == (130, True)


def test_a_run_that_cannot_be_read_keeps_no_other_from_being_carried_on(cli: Cli) -> None:
    write("flow.yaml", "tasks: [{name: A, shell: 'true'}]")
    for run in ("bad", "good"):
        cli("run", "flow.yaml", "--run-id", run)
        cli("restart", run, "A")
    with closing(sqlite3.connect("callboard.db")) as connection, connection:
        connection.execute("UPDATE events SET kind = 'unheard_of' WHERE run = 'bad' AND number = 2")
    done = cli("resume")
    assert done.code == 4
    assert "error: run bad of flow is not taken up: the store holds an event" in done.err
    assert "run good of flow succeeded" in done.out
    again = cli("resume")
    assert (again.code, "there is no run" in again.err) == (4, False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("code", [0, 1])
def test_a_run_needs_no_open_streams(cli: Cli, closed: str, code: int) -> None:
    write("flow.yaml", f"tasks: [{{name: A, shell: 'echo out; echo err >&2; exit {code}'}}]")
    line = f'exec "{sys.executable}" -m callboard run flow.yaml {closed}'
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, "error" in done.stderr) == (code, False)
    logs = cli("logs", "--json").lines()
    assert sorted(each["text"] for each in logs) == ["err", "out"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("words", ["run flow.yaml", "show", "logs", "events", "picture"])
def test_stdout_needs_no_character_that_is_shown(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: str, encoding: str
) -> None:
    write("flow.yaml", "{tasks: [{name: Zoë 😀, shell: 'echo ł 😀'}], output: é 😀}")
    cli("run", "flow.yaml")

    def said(*words: str) -> str:
        stdout = io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(words) == 0
        stdout.seek(0)
        return stdout.read()

    assert said(*words.split())
    machine = said(*words.split(), "--json")
    assert "\\ud83d\\ude00" in machine
    told, _ = json.JSONDecoder().raw_decode(machine)
    assert "😀" in str(told)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("NaN", "error: 'NaN' is not JSON (JSON has no NaN); for the text itself write: "),
        ("-1e999", "error: this JSON cannot be stored: a number in it is too large"),
        ("[" * 100_000, "error: this JSON cannot be stored: it is nested too deep"),
        (r'"\ud800"', "error: this JSON cannot be stored: a character in it is no Unicode"),
    ],
)
@pytest.mark.parametrize("before", ["answer r A --", "settle r A --state succeeded --output"])
def test_a_value_that_cannot_be_stored_is_refused(
    cli: Cli, before: str, value: str, words: str
) -> None:
    cli("run", write("flow.yaml", "tasks: [{name: A, shell: 'true'}]"), "--run-id", "r")
    events = cli("events").out
    done = cli(*before.split(), value)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(words)
    assert cli("events").out == events


def test_a_kind_that_nobody_does_names_what_would_do_it(cli: Cli) -> None:
    Path("flow.yaml").write_text("tasks: [{name: a, http: {url: 'http://127.0.0.1/'}}]")
    done = cli("run", "flow.yaml")
    assert done.code == 2
    assert done.err == (
        "task 'a' needs an executor for 'http' tasks, which this engine lacks; "
        "give one with cb.Engine(executors={'http': …})\n"
    )
