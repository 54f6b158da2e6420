"""Everything that is wrong with a definition is said at once, with its line, path and remedy."""

# ruff: noqa: E501 - one mistake a line

from __future__ import annotations

import pytest

from callboard.definitions import loads
from callboard.workflow import DefinitionError

LOAN_AS_PRINTED = """\
tasks:
  - name: Open Loan Application

  - name: Review Credit
    needs: [Open Loan Application]

  - name: Review Assets
    needs: [Open Loan Application]

  - name: Review Application Details
    needs: [Open Load Application]

  - name: Send Email
    needs:
      - Review Credit
      - Check House
      - Review Assets
"""


def errors_of(text: str | bytes, source: str = "flow.yaml") -> tuple[str, ...]:
    """Give the errors of a definition that must have some."""
    with pytest.raises(DefinitionError) as caught:
        loads(text, source)
    return caught.value.errors


def test_the_printed_loan_file_names_both_unknown_tasks() -> None:
    """Exactly two errors: the misspelt need, and the task that is nowhere."""
    first, second = errors_of(LOAN_AS_PRINTED, "loan.yaml")
    assert first == (
        'loan.yaml:11: tasks[3].needs[0]: unknown task "Open Load Application" in needs of '
        '"Review Application Details"; did you mean "Open Loan Application"?'
    )
    assert second.startswith(
        'loan.yaml:16: tasks[4].needs[1]: unknown task "Check House" in needs of "Send Email"; '
        "known names, nearest first: "
    )
    assert '"Review Credit"' in second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "flow.yaml:1: the file is empty"),
        ("[1]", "a definition must be a mapping with tasks:, not a list"),
        ("workflow: x", 'the key "tasks" is missing'),
        ("tasks: []\npool: {}", 'flow.yaml:2: unknown key "pool"; did you mean "pools"?'),
        ("tasks: 3", "tasks: this must be a list of tasks, not 3"),
        ("tasks: [A]", 'tasks[0]: a task must be a mapping, not the text "A"; write "- name: A"'),
        ("tasks: [{}]", 'tasks[0]: the key "name" is missing'),
        ("tasks: [{name: }]", "tasks[0].name: this must be a name, not nothing"),
        ("tasks: [{name: A, need: [B]}]", 'unknown key "need"; did you mean "needs"?'),
        ("tasks: []\ntasks: []", 'flow.yaml:2: the key "tasks" stands here twice (first in line 1)'),
        ("flow: A -> B", 'the key "tasks" is missing'),
        ("tasks: [{name: A, flow: B}]", "tasks[0]: flow: stands beside tasks:"),
        ("tasks: [{name: A, owner: B}]", "tasks[0]: owner: stands beside flow:"),
        ("tasks: [{name: A}, {name: A}]", 'two tasks are named "A" (the first in line 1)'),
        ("tasks: [{name: A b}, {name: a-B}]", "give one of them another id:"),
        ("tasks: [{name: '!'}]", 'no id can be made of the name "!"; give the task an id:'),
        ("tasks: [{name: A, id: a/b}]", '"a/b" is not an id'),
        ("tasks: [{name: A, needs: [A]}]", "in a cycle: A → A"),
        ("tasks: [{name: A, needs: [C]}, {name: B, needs: [A]}, {name: C, needs: [B]}]", ": A → B → C → A"),
        ("tasks: [{name: A}, {name: B, needs: [A, a]}]", '"a" stands twice in needs of "B"'),
        ("tasks: [{name: X, id: y}, {name: y, id: z}, {name: A, needs: [y]}]", "is the name of one task and the id of another"),
        ("tasks: [{name: A, shell: x, bash: y}]", 'this one has "shell", "bash"; keep one of them'),
        ("tasks: [{name: A, function: f}]", '"f" is not a function as module:name'),
        ("tasks: [{name: A, python: f.txt}]", '"f.txt" is not a file.py or a function'),
        ("tasks: [{name: A, shell: []}]", "tasks[0].shell: this list must not be empty"),
        ('tasks: [{name: A, shell: "echo ${{ run.id }}"}]', 'pass it in env: or with: and use "$NAME"'),
        ("tasks: [{name: A, http: {method: get, url: 'http://a'}}]", '"get" is not an HTTP method'),
        ("tasks: [{name: A, http: {}}]", 'tasks[0].http: the key "url" is missing'),
        ("tasks: [{name: A, http: {url: a.b}}]", "not an address that begins with http:// or https://"),
        ("tasks: [{name: A, container: {}}]", 'tasks[0].container: the key "image" is missing'),
        ("tasks: [{name: A, external: {grow: true}}]", 'did you mean "grows"?'),
        ("tasks: [{name: A, external: {grows: yes}}]", 'must be true or false, not the text "yes"'),
        ("tasks: [{name: A, sleep: 5 minutes}]", '"5 minutes" is no duration'),
        ("tasks: [{name: A, sleep: -1}]", "a duration is from 0 seconds to ten years, not -1"),
        ("tasks: [{name: A, wait: {probe: a:b, within: 5s}}]", "within: needs every:"),
        ("tasks: [{name: A, input: {schema: 1}}]", "tasks[0].input.schema: this must be a mapping"),
        ("tasks: [{name: A, input: {schema: {type: text}}}]", "tasks[0].input.schema.type: this must be one of string"),
        ("tasks: [{name: A, input: {schema: {enum: 3}}}]", "input.schema.enum: this must be a list, not 3"),
        ("tasks: [{name: A, input: {schema: {properties: {a: {minimum: x}}}}}]", "schema.properties.a.minimum: this must be a number"),
        ("tasks: [{name: A, input: {schema: {items: 3}}}]", "input.schema.items: this must be a mapping"),
        ("tasks: [{name: A, sleep: 1, with: {a: 1}}]", "kind sleep has no use for with:"),
        ("tasks: [{name: A, shell: x, with: {a-b: 1}}]", '"a-b" is not an environment variable'),
        ("tasks: [{name: A, function: 'm:f', with: {a-b: 1}}]", '"a-b" is not a keyword argument'),
        ("tasks: [{name: A, with: [1]}]", "tasks[0].with: this must be a mapping, not a list"),
        ("tasks: [{name: A, timeout: 0}]", "a duration is from more than 0 seconds"),
        ("tasks: [{name: A, timeout: {atempt: 1}}]", 'did you mean "attempt"?'),
        ("tasks: [{name: A, retry: {delay: 1s}}]", 'tasks[0].retry: the key "times" is missing'),
        ("tasks: [{name: A, retry: {times: 1, backoff: linar}}]", 'did you mean "linear"?'),
        ("tasks: [{name: A, retry: {times: 1, on: [timout]}}]", 'did you mean "timeout"?'),
        ("tasks: [{name: A, retry: {times: 1, on: [cancelled]}}]", "cancelled is never retried"),
        ("tasks: [{name: A, lost: maybe}]", "must be one of retry, fail, ask"),
        ("tasks: [{name: A, priority: high}]", 'must be a whole number, not the text "high"'),
        ("tasks: [{name: A, critical: 1}]", "must be true or false, not 1"),
        ("tasks: [{name: A, env: {a b: 1}}]", "not an environment variable's name"),
        ("tasks: [{name: A, pool: burau}]\npools: {bureau: 2}", 'unknown pool "burau"; did you mean "bureau"?'),
        ("tasks: [{name: A, pool: p}]", 'unknown pool "p"; declare it in pools:'),
        ("tasks: []\npools: {a: 0}", "pools.a: this must be from 1 to"),
        ("tasks: []\nconcurrency: 0", "concurrency: this must be from 1 to"),
        ("tasks: []\nmax_tasks: 0", "max_tasks: this must be from 1 to"),
        ("tasks: []\nmax_tasks: 1e3", "max_tasks: this must be a whole number"),
        ("tasks: []\non_failure: explode", "must be one of stop, drain, skip_downstream, allow_partial"),
        ("tasks: []\npromises: [[1]]", "promises[0]: this must be a promise, not a list"),
        ("tasks: []\ninputs: {a: {type: int}}", "inputs.a.type: this must be one of string"),
        ("tasks: []\ninputs: {a: {type: number, default: x}}", "inputs.a.default: this must be a number"),
        ("tasks: []\ninputs: {a: {enum: [1, 2], default: 3}}", "inputs.a.default: this must be one of 1, 2, not 3"),
        ("tasks: []\ninputs: {a: {type: string, enum: [1]}}", "inputs.a.enum: each value must be a text"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(text: str, expected: str) -> None:
    """One mistake gives one error, which names it and says what to do."""
    (error,) = errors_of(text)
    assert expected in error
    assert error.startswith("flow.yaml:")


def test_all_errors_come_at_once_in_the_order_of_the_file() -> None:
    """Mistakes of every sort are reported together."""
    text = """\
concurrency: none
tasks:
  - name: A
    retrys: 1
  - name: B
    needs: [C]
    timeout: soon
"""
    assert [error.split(":")[1] for error in errors_of(text)] == ["1", "4", "6", "7"]


def test_several_cycles_are_each_named() -> None:
    """Tasks behind a cycle are not taken for a part of it."""
    text = "tasks: [{name: A, needs: [B]}, {name: B, needs: [A]}, {name: C, needs: [B, D]}, {name: D, needs: [D]}]"  # fmt: skip
    assert [error.rpartition(": ")[2] for error in errors_of(text)] == ["A → B → A", "D → D"]


CLASH = '"a" and "A" (line 2) would both have the id "a"; give one of them another id:'


@pytest.mark.parametrize(
    "rest",
    [
        "flow: A -> a\n",
        "flow: A -> a* -> B\nowner: {a: A}\n",
        "flow: a -> M* -> B -> A\nowner: a\n",
        'promises: [at most 5 M by a, "a -> M* -> B"]\n',
        'output: "${{ tasks.a.output }}"\n',
    ],
)
def test_a_task_whose_id_is_taken_is_no_reason_for_other_errors(rest: str) -> None:
    tasks = [f"  - {{name: {name}, python: m:f}}\n" for name in "AaBM" if name in f"Aa{rest}"]
    with pytest.raises(DefinitionError) as caught:
        loads(f"tasks:\n{''.join(tasks)}{rest}", "flow.yaml")
    assert [CLASH in error for error in caught.value.errors] == [True], caught.value.errors
