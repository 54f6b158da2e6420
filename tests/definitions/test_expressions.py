"""``${{ … }}``: what it gives, what it may name, and what it can never do."""

# ruff: noqa: E501 - one expression a line

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from callboard.definitions import ExpressionError, Expressions, Scope, loads
from callboard.workflow import DefinitionError

SCOPE = Scope(
    inputs={
        "amount": 1500000.0,
        "n": 1,
        "ok": True,
        "s": "abc",
        "xs": [1, 2, 3],
        "none": None,
        "m": {"a": 1, "b": 2},
        "big": 2**70,
    },
    tasks={"review-credit": {"ok": True, "rows": [{"v": 1}]}, "skipped": None},
    run={"id": "r1", "workflow": "loan"},
    secrets={"TOKEN": "s3cret"}.get,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("inputs.amount > 1000000", True),
        ("inputs.amount == 1500000", True),
        ("inputs.n < 1.5 && inputs.n == 1.0 && 2 in [2.0]", True),
        ("inputs.amount", 1500000.0),
        ("inputs", dict(SCOPE.inputs)),
        ("inputs.big", 2**70),
        ("inputs.none", None),
        ("inputs.none == null", True),
        ('inputs["s"] + "d"', "abcd"),
        ("inputs.ok ? inputs.n : 2", 1),
        ("has(inputs.n) && !has(inputs.q) && !has(inputs.m.q)", True),
        ("inputs.xs.map(x, x * 2)", [2, 4, 6]),
        ("inputs.xs.filter(x, x > 1)", [2, 3]),
        (
            "inputs.xs.all(x, x > 0) && inputs.xs.exists(x, x > 2) && inputs.xs.exists_one(x, x == 1)",
            True,
        ),
        ("inputs.m.map(k, k)", ["a", "b"]),
        ('"a" in inputs.m', True),
        ("size(inputs.s) + inputs.xs.size()", 6),
        ('inputs.s.startsWith("a") && inputs.s.endsWith("c") && inputs.s.contains("b")', True),
        ('inputs.s.matches("^a.c$")', True),
        ('size("ü€😀")', 3),
        ('{"b": inputs.n, "a": [1.5, null, true]}', {"b": 1, "a": [1.5, None, True]}),
        ("string(inputs.n) + string(true)", "1true"),
        ('int("12") + int(2.9)', 14),
        ("double(inputs.n) / 2.0", 0.5),
        ('timestamp("2020-01-02T03:04:05Z").getFullYear()', 2020),
        ('duration("5m") > duration("4m")', True),
        ('tasks["review-credit"].output.ok', True),
        ("tasks.review_credit.output.rows[0].v", 1),
        ("tasks.skipped.output == null", True),
        ("run.id + run.workflow", "r1loan"),
        ("secrets.TOKEN", "s3cret"),
        ("inputs.ok || 1 / 0 > 1", True),
        ("[1, [2.0]] == [1.0, [2]]", True),
        ('r"\\d" + "}}"', "\\d}}"),
        ('{"a": {"b": 1}}', {"a": {"b": 1}}),
    ],
)
def test_an_expression_alone_keeps_its_type(code: str, expected: Any) -> None:
    """A text that is one expression becomes what the expression gives."""
    result = Expressions().bind(f"${{{{ {code} }}}}", SCOPE)
    assert result == expected
    assert type(result) is type(expected)


def test_expressions_inside_texts_become_text() -> None:
    """Around other text a value is written into it, as JSON unless it is a text."""
    value = {
        "a": ["n=${{inputs.n}} m=${{ inputs.m }} s=${{ inputs.s }}"],
        "b": 1,
        "c": "${{ run.id }}\n",
    }
    assert Expressions().bind(value, SCOPE) == {
        "a": ['n=1 m={"a": 1, "b": 2} s=abc'],
        "b": 1,
        "c": "r1",
    }


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("inputs.q", 'there is no "q"'),
        ("inputs.s.q", '"q" is asked of no mapping'),
        ("inputs.m.q + 1", 'there is no "q"'),
        ("inputs.xs[9]", "list index out of range"),
        ("1 / 0", "divide by zero"),
        ("[1 / 0]", "divide by zero"),
        ("1 / 0 == 1 ? 1 : 2", "divide by zero"),
        ('"a" < 1', "< does not work on (string, int)"),
        ('"a" * 1000000000', "* does not work on (string, int)"),
        ('"%s" % inputs', "% does not work on (string, map)"),
        ("inputs.n ? 1 : 2", 'what stands before "?" is int, not true or false'),
        ("9223372036854775807 + 1", "out of range"),
        ("type(1)", "JSON cannot hold"),
        ("tasks.nobody.output", 'no task with the id "nobody" is done'),
        ("secrets.OTHER", 'the secret "OTHER" is not set in the environment'),
        ("foo(1)", 'unknown function "foo"'),
        ('inputs.s.startswith("a")', 'did you mean "startsWith"?'),
        ("input.n", 'unknown name "input"; did you mean "inputs"?'),
        ("[1].map(inputs, 1)", '"inputs" has a meaning already'),
        ("[1].map(x, x > 0, x)", "map() takes a variable and an expression"),
        ("inputs.n +", "is wrong"),
        ("Message{a: 1}", "not used here"),
    ],
)
def test_what_cannot_be_evaluated_says_why(code: str, expected: str) -> None:
    """An error names the expression or the path, and the reason in plain words."""
    with pytest.raises(ExpressionError) as caught:
        Expressions().bind(f"${{{{ {code} }}}}", SCOPE)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "1" + "+1" * 5000,
        "!" * 9000 + "true",
        "[" * 60 + "]" * 60,
        "1" * 20_000,
        "[1,2,3,4,5,6,7,8,9,0].map(a, " * 6 + "1" + ")" * 6,
        '["xxxxxxxxxx"]' + ".map(a, a+a+a+a+a+a+a+a+a+a)" * 9,
        "inputs.many.filter(x, x in inputs.many)",
    ],
)
def test_work_is_bounded(code: str) -> None:
    """Depth, length, steps and what is made have limits; the interpreter's own stay as they are."""
    limit = sys.getrecursionlimit()
    with pytest.raises(ExpressionError, match=r"too deeply|KiB|steps"):
        Expressions().bind(f"${{{{ {code} }}}}", Scope(inputs={"many": list(range(3000))}))
    assert sys.getrecursionlimit() == limit


def test_catastrophic_patterns_are_quick() -> None:
    """Regular expressions are matched in linear time."""
    code = '${{ "' + "a" * 60 + 'b".matches("^(a+)+$") }}'
    assert Expressions().bind(code, SCOPE) is False


def test_conditions_are_true_or_false() -> None:
    """With or without braces; anything else is an error."""
    expressions = Expressions()
    assert expressions.condition("${{ inputs.ok }}", SCOPE) is True
    assert expressions.condition("inputs.n > 1", SCOPE) is False
    assert expressions.condition("true", SCOPE) is True
    with pytest.raises(ExpressionError, match="gives 1; it must be true or false"):
        expressions.condition("inputs.n", SCOPE)
    with pytest.raises(ExpressionError, match="nothing around"):
        expressions.condition("x ${{ inputs.n }}", SCOPE)


def test_secrets_that_a_value_uses_are_listed() -> None:
    """So that a log can mask them, wherever they stand."""
    value = {
        "a": ["${{ secrets.A }}"],
        "b": "x ${{ secrets.B + inputs.s }}",
        "c": "${{ inputs.n }}",
    }
    assert Expressions().secrets(value) == {"A", "B"}


def test_one_binder_serves_many_threads() -> None:
    """Evaluations do not see each other."""
    expressions = Expressions()
    wrong: list[int] = []

    def work(number: int) -> None:
        scope = Scope(inputs={"n": number})
        results = {expressions.bind("${{ inputs.n + 1 }}", scope) for _ in range(30)}
        wrong.extend(results - {number + 1})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def errors_of(task: str, rest: str = "") -> list[str]:
    """Give the errors of a task B that runs after a-1, beside c."""
    text = f"inputs: {{amount: {{}}}}\n{rest}\ntasks:\n  - name: A 1\n  - name: C\n  - name: B\n    needs: [A 1]\n    {task}\n"
    try:
        loads(text, "flow.yaml")
    except DefinitionError as error:
        return list(error.errors)
    return []


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            'when: "${{ inputs.amont }}"',
            'flow.yaml:8: tasks[2].when: unknown input "amont" in inputs.amont; did you mean "amount"?',
        ),
        (
            'when: "${{ tasks.c.output }}"',
            'tasks.c.output is not there yet: "B" does not run after "C"; add that to its needs:',
        ),
        ('when: "${{ tasks.b.output }}"', '"B" does not run after "B"'),
        ('when: "${{ tasks.a1.output }}"', 'unknown task "a1" in tasks.a1.output'),
        (
            'when: "${{ tasks.a_1 }}"',
            'of a task only its output can be had; write tasks["a-1"].output',
        ),
        (
            'when: "${{ tasks[inputs.amount].output }}"',
            'say which task, as in tasks["review-credit"].output',
        ),
        ('when: "${{ run.name }}"', 'unknown fact of the run "name"'),
        ('when: "${{ secrets.A }}"', "no secret is allowed here"),
        ('when: "${{ 1 +"', "has no }} to end it"),
        ('when: "${{ 1 + }}"', "is wrong"),
        ('with: {a: ["x ${{ inputs.b }}"]}', 'flow.yaml:8: tasks[2].with.a[0]: unknown input "b"'),
        ('env: {A: "${{ inputs.b }}"}', 'tasks[2].env.A: unknown input "b"'),
        ('shell: [echo, "${{ inputs.b }}"]', 'tasks[2].shell[1]: unknown input "b"'),
        ('http: {url: "http://a/${{ inputs.b }}"}', 'tasks[2].http.url: unknown input "b"'),
        ('with: {"${{ run.id }}": 1}', "no expression is allowed in a key"),
        ('cwd: "${{ run.id }}"', "no expression (${{ … }}) is allowed here"),
        (
            'workflow: other\n    with: {a: "${{ secrets.A }}"}',
            "no secret is allowed here, because what a task of kind workflow is given is stored",
        ),
    ],
)
def test_expressions_are_checked_with_the_file(task: str, expected: str) -> None:
    """What an expression names must be there when it is evaluated."""
    (error,) = errors_of(task)
    assert expected in error


def test_good_expressions_pass() -> None:
    """Ids in both spellings, needs of needs, secrets where nothing is stored, all tasks in the output."""
    text = """
inputs: {amount: {type: number}}
output: {b: "${{ tasks.b.output }}", a: "${{ tasks['a-1'].output.x }}"}
tasks:
  - name: A 1
  - {name: M, needs: [A 1]}
  - name: B
    needs: [M]
    when: tasks.a_1.output.ok && inputs.amount > 5
    python: m:f
    with: {x: "${{ tasks['a-1'].output }}", y: "${{ tasks.m.output }}"}
    env: {TOKEN: "Bearer ${{ secrets.TOKEN }}", RUN: "${{ run.id }}"}
"""
    assert loads(text).tasks[2].when == "tasks.a_1.output.ok && inputs.amount > 5"


def test_an_ambiguous_id_is_an_error() -> None:
    """After a dot two ids can look alike."""
    text = 'output: "${{ tasks.a_b.output }}"\ntasks: [{name: a-b}, {name: a.b}]'
    with pytest.raises(
        DefinitionError, match=r'several tasks; write tasks\["a-b"\] or tasks\["a\.b"\]'
    ):
        loads(text)


def test_a_secret_in_the_output_is_an_error() -> None:
    """The output of a run is stored."""
    with pytest.raises(DefinitionError, match="the output of a run is stored"):
        loads('output: "${{ secrets.A }}"\ntasks: []')


def test_a_run_with_many_tasks_is_not_searched_for_usual_ids() -> None:
    """Ids spelled with dashes are found without looking at every task."""

    class Outputs(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError("every task was looked at")

    scope = Scope(tasks=Outputs({"review-credit": 1, "other": 2}))
    assert Expressions().bind("${{ tasks.review_credit.output + tasks.other.output }}", scope) == 3
    mixed = Scope(tasks={"a.b-c": 1, "a/b-c": 2})
    assert Expressions().bind("${{ tasks.a_b_c.output }}", mixed) == 1
