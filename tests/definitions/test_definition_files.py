"""What a definition says is what is read: the whole format, YAML's traps, JSON, other files."""

# ruff: noqa: E501 - one way of doing a task a line

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.definitions import load_file, loads, lonely_tasks, separate_parts, summarise
from callboard.workflow import DefinitionError, Retry, Stop, Timeouts

WHOLE = """
workflow: loan
description: What it is for
inputs:
  amount: {type: number, default: 1000000}
concurrency: 4
timeout: 1h
on_failure: drain
failure_workflow: cleanup
pools: {credit-bureau: 2}
max_tasks: 500
output: "${{ tasks.decide.output }}"
tasks:
  - name: Open Loan Application
  - name: Review Credit
    needs: [Open Loan Application]
    python: m:review
    with: {amount: "${{ inputs.amount }}"}
    when: "${{ inputs.amount > 5 }}"
    retry: {times: 3, backoff: linear, delay: 1s, increment: 2s, cap: 5m, jitter: false,
            max_elapsed: 1h, on: [error, exit, ValueError]}
    timeout: 5m
    lost: ask
    stop: {grace: 1s, term: 500ms}
    priority: 10
    pool: credit-bureau
    critical: true
    cwd: sub
    env: {PORT: 80, TOKEN: "${{ secrets.TOKEN }}"}
  - name: Decide
    needs: [review-credit]
    timeout: {attempt: 5m, total: 1h, queued: 10m}
promises: ["no new tasks", "no new edges"]
"""


def test_the_whole_format_is_read() -> None:
    """Every key of a file and of a task arrives where it belongs."""
    spec = loads(WHOLE)
    assert (spec.name, spec.description, spec.concurrency) == ("loan", "What it is for", 4)
    assert (spec.timeout, spec.on_failure, spec.failure_workflow) == (3600, "drain", "cleanup")
    assert (spec.pools, spec.output) == ({"credit-bureau": 2}, "${{ tasks.decide.output }}")
    assert spec.promises == ("no new tasks", "no new edges")
    assert spec.max_tasks == 500
    assert loads("tasks: []").max_tasks == 1_000_000
    assert (spec.inputs["amount"].default, spec.inputs["amount"].required) == (1e6, False)
    opened, review, decide = spec.tasks
    assert (opened.id, opened.name, opened.kind) == (
        "open-loan-application",
        "Open Loan Application",
        "step",
    )
    assert (review.kind, review.config) == ("python", {"python": "m:review"})
    assert (review.needs, review.when) == (("open-loan-application",), "inputs.amount > 5")
    assert review.inputs == {"amount": "${{ inputs.amount }}"}
    options = review.options
    assert options.retry == Retry(
        times=3,
        backoff="linear",
        delay=1,
        increment=2,
        cap=300,
        jitter=False,
        max_elapsed=3600,
        on=("error", "exit", "ValueError"),
    )
    assert (options.timeout, options.lost) == (Timeouts(attempt=300), "ask")
    assert (options.stop, options.priority) == (Stop(grace=1, term=0.5), 10)
    assert (options.pool, options.critical, options.cwd) == ("credit-bureau", True, "sub")
    assert options.env == {"PORT": "80", "TOKEN": "${{ secrets.TOKEN }}"}
    assert decide.needs == ("review-credit",)
    assert decide.options.timeout == Timeouts(attempt=300, total=3600, queued=600)


@pytest.mark.parametrize(
    ("written", "kind", "config"),
    [
        ("function: pkg.mod:Class.method", "function", {"function": "pkg.mod:Class.method"}),
        ("python: dir/file.py", "python", {"python": "dir/file.py"}),
        ("py: m:f", "python", {"python": "m:f"}),
        ("shell: echo $HOME", "shell", {"shell": "echo $HOME"}),
        ("bash: [echo, 1]", "shell", {"shell": ["echo", "1"]}),
        ("rest: {url: 'http://a'}", "http", {"method": "GET", "url": "http://a"}),
        (
            "http: {method: POST, url: 'https://a', json: {b: 1}, headers: {X-A: 1}}",
            "http",
            {"method": "POST", "url": "https://a", "json": {"b": 1}, "headers": {"X-A": "1"}},
        ),
        ("container: {image: a, command: [b]}", "container", {"image": "a", "command": ["b"]}),
        ("workflow: other", "workflow", {"workflow": "other"}),
        ("input: {schema: {type: string}, message: Hi}", "input", {"schema": {"type": "string"}, "message": "Hi"}),
        ("input:", "input", {}),
        ("sleep: 1h30m", "sleep", {"seconds": 5400.0}),
        ("sleep: 0.5", "sleep", {"seconds": 0.5}),
        ("wait: {probe: m:p, every: 5s, within: 1m, timeout: 5s}", "wait", {"probe": "m:p", "every": 5.0, "within": 60.0, "timeout": 5.0}),
        ("external: {grows: true}", "external", {"grows": True}),
        ("external: {}", "external", {"grows": False}),
    ],
)  # fmt: skip
def test_every_kind_is_read(written: str, kind: str, config: dict[str, object]) -> None:
    """Each key that says how a task is done gives its kind and settings, other spellings too."""
    (task,) = loads(f"tasks:\n  - name: A\n    {written}").tasks
    assert (task.kind, task.config) == (kind, config)


def test_a_bare_list_of_tasks_is_complete() -> None:
    """Nothing but names and needs is necessary, and no task at all is a workflow, too."""
    spec = loads("tasks: [{name: A}, {name: B, needs: A}]", "dir/my-flow.yaml")
    assert (spec.name, [task.needs for task in spec.tasks]) == ("my-flow", [(), ("a",)])
    assert loads("tasks: []").tasks == ()


def test_tasks_without_needs_start_at_once_and_keep_their_order() -> None:
    """There is no hidden chain from line to line."""
    spec = loads("tasks: [{name: C}, {name: A}, {name: B}]")
    assert [(task.id, task.needs) for task in spec.tasks] == [("c", ()), ("a", ()), ("b", ())]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Open Loan Application", "open-loan-application"),
        ("a  &  b!", "a-b"),
        ("Ärger_1.5", "ärger_1.5"),
        ("1", "1"),
        ("012", "012"),
        ("no", "no"),
        ("true", "true"),
        ("1e3", "1e3"),
    ],
)
def test_names_are_texts_and_give_ids(name: str, expected: str) -> None:
    """Whatever a name looks like to YAML, it is the text that stands there."""
    spec = loads(f"tasks: [{{name: {name}}}, {{name: Z, needs: [{name}]}}]")
    assert (spec.tasks[0].name, spec.tasks[0].id) == (name, expected)
    assert spec.tasks[1].needs == (expected,)


def test_scalars_follow_the_core_schema_of_yaml_1_2() -> None:
    """Only true and false are booleans, 012 is twelve, a date is a text."""
    text = """
tasks:
  - name: A
    python: m:f
    with: {on: no, y: yes, t: true, i: 012, o: 0o14, x: 0xC, f: 1.5, e: 1e3, d: 2020-01-01,
           n: ~, s: "1", m: 1_000, sexagesimal: 1:30}
"""
    assert loads(text).tasks[0].inputs == {
        "on": "no",
        "y": "yes",
        "t": True,
        "i": 12,
        "o": 12,
        "x": 12,
        "f": 1.5,
        "e": 1000.0,
        "d": "2020-01-01",
        "n": None,
        "s": "1",
        "m": "1_000",
        "sexagesimal": "1:30",
    }


def test_json_is_read_with_its_lines() -> None:
    """A JSON file may be indented with tabs, and its errors have places like those of YAML."""
    text = json.dumps({"tasks": [{"name": "A 😀"}, {"name": "B", "needs": ["C"]}]}, indent="\t")
    with pytest.raises(DefinitionError) as caught:
        loads(text, "flow.json")
    (error,) = caught.value.errors
    assert error.startswith('flow.json:9: tasks[1].needs[0]: unknown task "C" in needs of "B"')
    assert loads(text.replace('"C"', '"A 😀"'), "flow.json").tasks[0].name == "A 😀"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"tasks": [],}', "a key in double quotes is missing"),
        ('{"tasks": [01]}', "a comma or ] is missing"),
        ('{"tasks": []} x', "something follows after the end"),
        ('{"tasks": [], "tasks": []}', 'the key "tasks" stands here twice'),
        ('{"tasks": [{"name": "\\ud800"}]}', "half a surrogate pair"),
        ('{"tasks": 1e999}', "too large a number"),
        ("[" * 100_000, "nested more than 100 levels deep"),
    ],
)
def test_bad_json_is_refused(text: str, expected: str) -> None:
    """JSON that is none is one error with its line."""
    with pytest.raises(DefinitionError, match=r"^flow\.json:1: ") as caught:
        loads(text, "flow.json")
    assert expected in str(caught.value)


def test_aliases_serve_within_bounds() -> None:
    """A retry policy may be written once; a bomb of aliases is refused before it goes off."""
    spec = loads(
        "tasks: [{name: A, retry: &r {times: 2}}, {name: B, retry: *r}, {name: C, retry: *r}]"
    )
    assert {task.options.retry for task in spec.tasks} == {Retry(times=2)}
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    with pytest.raises(DefinitionError, match="aliases repeat more than 100000 values"):
        loads("\n".join(lines))
    with pytest.raises(DefinitionError, match="stands inside what it names"):
        loads("tasks: &t [*t]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tasks: !!python/object/apply:os.system [echo]", "tags like .* are not allowed"),
        ("tasks: []\n---\ntasks: []", "flow.yaml:2: a second document begins here"),
        ("[" * 5000, "nested more than 100 levels deep"),
        ("tasks: [a: b: c]", "this is not YAML"),
        ("tasks: []\n? [a]\n: b", "a key must be a plain text"),
        ("tasks: []\nconcurrency: .inf", "a number that JSON cannot hold"),
        ('tasks: [{name: "\\ud800"}]', "half a surrogate pair"),
        ("tasks: *nowhere", "names no anchor"),
    ],
)
def test_what_is_no_safe_yaml_is_refused(text: str, expected: str) -> None:
    """Tags, more documents, depth and broken syntax each give one clear error."""
    with pytest.raises(DefinitionError, match=expected):
        loads(text, "flow.yaml")


def test_files_over_16_mib_and_odd_encodings_are_refused(tmp_path: Path) -> None:
    """Size and encoding are judged before anything is parsed."""
    big = tmp_path / "big.yaml"
    with big.open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    with pytest.raises(DefinitionError, match="at most 16 MiB"):
        load_file(big)
    with pytest.raises(DefinitionError, match=r"flow\.yaml:2: this is not UTF-8 text"):
        loads(b"tasks: []\n\xff", "flow.yaml")
    assert loads("\ufefftasks: []".encode()).tasks == ()
    with pytest.raises(DefinitionError, match="there is no such file"):
        load_file(tmp_path / "none.yaml")
    with pytest.raises(DefinitionError, match="cannot be read"):
        load_file(tmp_path)


def write(folder: Path, **files: str) -> Path:
    """Write definition files and give the folder."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_files_that_a_task_names_must_be_there(tmp_path: Path) -> None:
    """Python files and workflow files are looked for beside the definition, which keeps its folder."""
    text = "tasks: [{name: A, python: a.py}, {name: B, workflow: b.yaml}, {name: C, workflow: c}]"
    write(tmp_path, main=text)
    with pytest.raises(DefinitionError) as caught:
        load_file(tmp_path / "main.yaml")
    assert ['there is no file "a.py"' in e or '"b.yaml"' in e for e in caught.value.errors] == [
        True,
        True,
    ]
    (tmp_path / "a.py").touch()
    write(tmp_path, b="tasks: []")
    assert load_file(tmp_path / "main.yaml").folder == str(tmp_path.resolve())


def test_a_child_workflow_is_checked_with_its_parent(tmp_path: Path) -> None:
    """Errors of the child come with the parent's, and so do inputs that do not fit."""
    write(
        tmp_path,
        main="tasks: [{name: A, workflow: child.yaml, with: {amout: 1}}]",
        child="inputs: {amount: {type: number}}\ntasks: [{name: B, neds: []}]",
    )
    with pytest.raises(DefinitionError) as caught:
        load_file(tmp_path / "main.yaml")
    assert len(caught.value.errors) == 2
    assert 'unknown key "neds"' in caught.value.errors[1]
    write(tmp_path, child="inputs: {amount: {type: number}}\ntasks: []")
    with pytest.raises(DefinitionError) as caught:
        load_file(tmp_path / "main.yaml")
    first, second = caught.value.errors
    assert 'workflow "child" has no input "amout"; did you mean "amount"?' in first
    assert 'input "amount" of workflow "child" is missing' in second


def test_a_failure_workflow_is_told_of_the_run_and_nothing_else(tmp_path: Path) -> None:
    """It may leave out what it is told, and must not need more."""
    write(
        tmp_path,
        main="failure_workflow: tidy.yaml\ntasks: []",
        tidy="inputs: {run: {type: string}, more: {default: 1}}\ntasks: []",
    )
    assert load_file(tmp_path / "main.yaml").failure_workflow == "tidy.yaml"
    write(tmp_path, tidy="tasks: []")
    assert load_file(tmp_path / "main.yaml").failure_workflow == "tidy.yaml"
    write(tmp_path, tidy="inputs: {amount: {type: number}}\ntasks: []")
    with pytest.raises(DefinitionError, match="told only run, workflow, state, reason"):
        load_file(tmp_path / "main.yaml")
    write(tmp_path, tidy="inputs: {state: {type: integer}}\ntasks: []")
    with pytest.raises(DefinitionError, match=r'"state" .* declared as integer.* told a string'):
        load_file(tmp_path / "main.yaml")


def test_workflow_files_that_start_each_other_are_refused(tmp_path: Path) -> None:
    """A cycle of files is named whole; two uses of one file are none."""
    write(
        tmp_path,
        main="tasks: [{name: A, workflow: b.yaml}]",
        b="failure_workflow: main.yaml\ntasks: []",
        twice="tasks: [{name: A, workflow: c.yaml}, {name: B, workflow: c.yaml}]",
        c="tasks: []",
    )
    with pytest.raises(DefinitionError, match=r"main\.yaml → b\.yaml → main\.yaml"):
        load_file(tmp_path / "main.yaml")
    assert len(load_file(tmp_path / "twice.yaml").tasks) == 2


def test_a_summary_counts_and_finds_what_looks_forgotten() -> None:
    """Levels, a longest chain, lonely tasks and separate parts."""
    spec = loads(
        "tasks: [{name: A}, {name: B, needs: [A]}, {name: C, needs: [A, B]}, {name: D},"
        " {name: E}, {name: F, needs: [E]}]"
    )
    summary = summarise(spec)
    assert (summary.tasks, summary.edges, summary.kinds) == (6, 4, {"step": 6})
    assert summary.levels == (("a", "d", "e"), ("b", "f"), ("c",))
    assert summary.critical_path == ("a", "b", "c")
    assert lonely_tasks(spec) == ("d",)
    assert separate_parts(spec) == (("a", "b", "c"), ("d",), ("e", "f"))
    assert json.loads(json.dumps(summary.to_json()))["parts"][1] == ["d"]
    assert summarise(loads("tasks: []")).levels == ()
    assert lonely_tasks(loads("tasks: [{name: A}]")) == ()


def test_ten_thousand_tasks_in_a_row_are_read() -> None:
    """Nothing recurses along the graph."""
    tasks = [{"name": f"t{i}", "needs": [f"t{i - 1}"] if i else []} for i in range(10_000)]
    spec = loads(json.dumps({"tasks": tasks}), "long.json")
    assert len(summarise(spec).critical_path) == 10_000
    tasks[0]["needs"] = ["t9999"]
    with pytest.raises(DefinitionError, match="t0 → t1 → t2"):
        loads(json.dumps({"tasks": tasks}), "long.json")


def test_heavy_libraries_load_only_when_needed() -> None:
    """Importing loads no YAML and no expression library; a file without expressions no latter."""
    code = (
        "import sys\nfrom callboard.definitions import loads\n"
        "assert not {'ruamel.yaml', 'celpy', 'lark'} & sys.modules.keys()\n"
        "loads('tasks: []')\nassert 'celpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nul_stands_in_no_text(tmp_path: Path) -> None:
    write(tmp_path, main='tasks: [{name: a, shell: "x", cwd: "a\\0b"}]')
    with pytest.raises(DefinitionError, match="NUL stands in none"):
        load_file(tmp_path / "main.yaml")
