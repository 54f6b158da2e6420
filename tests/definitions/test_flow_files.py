"""``flow:``, ``owner:`` and ``promises:`` in files: what is read, and everything that is wrong."""

from __future__ import annotations

# ruff: noqa: E501 - one mistake a line
import json
from pathlib import Path

import pytest

from callboard.definitions import load_file, loads, summarise
from callboard.workflow import DefinitionError, HoleSpec, WorkflowSpec

MAP = """\
flow: Begin -> fetch* -> "Wrap up"
tasks:
  - name: fetch
    shell: "true"
    with: {FROM: "${{ tasks.begin.output }}"}
  - name: Begin
    python: m:begin
  - name: Wrap up
    python: m:wrap
    with: {pages: "${{ holes.fetch.outputs }}"}
"""


def errors_of(text: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        loads(text, "flow.yaml")
    return list(caught.value.errors)


def flow(text: str, *names: str, more: str = "") -> str:
    tasks = ", ".join(f"{{name: {name}, python: m:f}}" for name in names)
    return f"flow: {json.dumps(text)}\ntasks: [{tasks}]\n{more}"


def test_a_flow_is_tasks_holes_and_what_is_described_for_later() -> None:
    spec = loads(MAP)
    assert [(task.id, task.needs) for task in spec.tasks] == [("begin", ()), ("wrap-up", ())]
    hole = HoleSpec(
        id="fetch", shape="fetch*", owner="begin", after=("begin",), before=("wrap-up",)
    )
    assert spec.holes == (hole,)
    assert [(each.name, each.kind) for each in spec.templates] == [("fetch", "shell")]
    assert spec.flow


def test_a_flow_may_name_tasks_by_id() -> None:
    spec = loads(MAP.replace('"Wrap up"', "wrap-up"))
    assert [task.name for task in spec.tasks] == ["Begin", "Wrap up"]


def test_templates_find_what_stands_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(): ...\n")
    text = flow("A -> B*", "A") + "  \n"
    file = tmp_path / "flow.yaml"
    file.write_text(text.replace("}]", "}, {name: B, function: m:f}]"))
    assert load_file(file).templates[0].config["function"] == f"{tmp_path / 'm.py'}:f"


def test_the_owner_is_said_by_name_or_id_for_all_or_for_some() -> None:
    both = flow("(A & B) -> M* -> C", "A", "B", "C", "M", more="owner: {M: b}")
    assert loads(both).holes[0].owner == "b"
    assert loads(both.replace("{M: b}", "A")).holes[0].owner == "a"


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        (flow("A -> Mm* -> B", "A", "M", "B"), ['"Mm" stands in flow: and not in tasks:; did you mean "M"?', '"M" stands in tasks: and not in flow:; did you mean "Mm"?']),
        ("flow: A -> B\ntasks: [{name: A}, {name: B, needs: A}]", ["tasks[1].needs: flow: says what runs after what"]),
        (flow("A -> -> B", "A", "B"), ["flow: shape 'A -> -> B', column 6"]),
        (flow("A -> M* -> B", "A", "B", "M", more="owner: {N: A, M: X}"), ['owner.N: unknown hole "N"', 'owner: names "X", which is no task']),
        (flow("A -> B", "A", "B", more="owner: A"), ["owner: there is no hole"]),
        ("tasks: [{name: A}]\nowner: A", ["flow.yaml:2: owner: there is no hole"]),
        (flow("A -> M | N -> B", *"ABMN"), ["no task in front of it", 'did you mean "A -> (M | N) -> B"?']),
        ("flow: A -> M*\ntasks: [{name: A, external: {}}, {name: M}]", ["a task of kind external without grows: true cannot create tasks"]),
        (flow("A -> M*", "A", "M", more="promises: [at most, 'at least 2 N']"), ["promises[0]: promise 'at most'"]),
        (flow("A -> M*", "A", "M", more="promises: [no new M by Aa, at most 2 rounds of M]"), ['"Aa" in "no new M by Aa" is no task; did you mean "A"?', "it comes into a hole"]),
        (flow("A -> M*", "A", "M", more="promises: [at least 2 N]"), ["cannot hold"]),
        (flow("A -> M{3}", "A", "M", more="promises: [at most 2 M]"), ["'at most 2 M' cannot hold"]),
        ("tasks: [{name: A}, {name: B}]\npromises: [at most 1 tasks]", ["'at most 1 tasks' is untrue: there are 2 such tasks"]),
        (flow("(A -> M* -> B) & (C -> N* -> D)", *"ABCDMN", more="owner: {M: D, N: B}"), ["wait for each other in a cycle"]),
        ("tasks: [{name: A, python: m:f}, {name: B, needs: A}]\npromises: [B -> M* -> A]", ["cannot create tasks"]),
        ("tasks: [{name: A, python: m:f}, {name: B, needs: A, python: m:f}]\npromises: [B -> M* -> A]", ["wait for each other in a cycle"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_once(text: str, errors: list[str]) -> None:
    found = errors_of(text)
    assert len(found) == len(errors)
    for error in errors:
        assert any(error in each for each in found), found


def test_promises_name_tasks_and_put_holes_between_them() -> None:
    spec = loads(
        "tasks: [{name: Big A, python: m:f}, {name: B, needs: big-a}]\n"
        "promises: ['at most 2 M by \"Big A\"', '\"Big A\" -> M* -> B', sealed by B]"
    )
    assert spec.promises == ("at most 2 M by big-a", "sealed by b")
    assert [(hole.id, hole.owner) for hole in spec.holes] == [("M", "big-a")]
    assert not spec.flow


# --- expressions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "error"),
    [
        ("M", "tasks.a.output", None),
        ("M", "tasks.b.output", '"M" does not run after "B"; say so in flow:'),
        ("M", "tasks.m.output", '"M" comes into a hole, perhaps many times'),
        ("N", "holes.M.outputs[0]", None),
        ("M", "holes.N.outputs", 'does not run after the hole "N"'),
        ("B", "tasks.a.output == holes.N.outputs", None),
        ("B", "holes.X.outputs", 'unknown hole "X" in holes.X.outputs'),
        ("B", "holes.N.output", 'write holes["N"].outputs'),
        ("B", "holes", "say which hole"),
        ("A", "holes.M.outputs", 'does not run after the hole "M"'),
    ],
)
def test_an_expression_names_what_is_there_whatever_comes(
    name: str, code: str, error: str | None
) -> None:
    text = flow("A -> M* -> N* -> B", *"ABMN")
    text = text.replace(f"name: {name},", f'name: {name}, with: {{x: "${{{{ {code} }}}}"}},')
    if error is None:
        assert isinstance(loads(text), WorkflowSpec)
    else:
        assert error in errors_of(text)[0]


def test_what_comes_at_two_places_sees_what_is_in_front_of_both() -> None:
    text = flow("A -> M* -> B -> again=M* -> C", *"ABCM")
    seen = text.replace("name: M,", 'name: M, with: {x: "${{ tasks.a.output }}"},')
    assert len(loads(seen).holes) == 2
    assert "is not there yet" in errors_of(seen.replace("tasks.a", "tasks.b"))[0]


# --- summary --------------------------------------------------------------------------------------


def test_the_summary_shows_holes_where_they_stand() -> None:
    summary = summarise(loads(MAP + "promises: [at most 5 fetch]\n")).to_json()
    assert (summary["tasks"], summary["edges"]) == (2, 2)
    assert summary["levels"] == [["begin"], ["#fetch"], ["wrap-up"]]
    assert summary["critical_path"] == ["begin", "#fetch", "wrap-up"]
    assert summary["lonely"] == []
    assert summary["parts"] == [["begin", "wrap-up"]]
    assert summary["holes"][0]["owner"] == "begin"
    assert (summary["templates"], summary["promises"]) == (["fetch"], ["at most 5 fetch"])
    assert summary["closed"] is True
