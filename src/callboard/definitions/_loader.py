"""Definition files read into workflows, with everything that is wrong reported at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from .._trial import why_not
from ..workflow import DefinitionError, InputSpec, TaskSpec, WorkflowSpec
from ._drafts import Draft, read_drafts
from ._expression_checks import check_expressions
from ._files import check_files
from ._flows import read_growth
from ._format import WORKFLOW
from ._inputs import fit
from ._nodes import Mapping, Node, describe
from ._order import assign_ids, report_cycles, resolve_needs
from ._problems import INVALID, Invalid, Place, Problems
from ._records import read_fields
from ._text import decode, parse, read_bytes

FILES_DEEP_MAX = 32
"""How many workflow files may call each other in a row."""


def load_file(path: str | Path) -> WorkflowSpec:
    """Read a workflow from a YAML or JSON file.

    Raises:
        DefinitionError: It is invalid; ``errors`` holds everything that is wrong with it.
    """
    return _Library().load(Path(path), str(path), ())


def loads(
    text: str | bytes, source: str = "workflow.yaml", folder: str | Path | None = None
) -> WorkflowSpec:
    """Read a workflow from a text.

    Args:
        text: YAML or JSON.
        source: What error messages call it; its stem is the default for the workflow's name.
        folder: What relative paths start from; without it files are not looked for.

    Raises:
        DefinitionError: It is invalid; ``errors`` holds everything that is wrong with it.
    """
    start = None if folder is None else Path(folder)
    return _Library().read(text, source, start, ())


@attrs.define
class _Library:
    """The files that one definition is made of, each read once."""

    read_already: dict[Path, WorkflowSpec | None] = attrs.field(
        factory=dict[Path, "WorkflowSpec | None"]
    )

    def load(self, path: Path, source: str, above: tuple[Path, ...]) -> WorkflowSpec:
        content = read_bytes(path, source)
        here = path.resolve()
        return self.read(content, source, here.parent, (*above, here))

    def read(
        self, content: str | bytes, source: str, folder: Path | None, files: tuple[Path, ...]
    ) -> WorkflowSpec:
        problems = Problems(source)
        node = parse(decode(content, source), source)
        built = _build(node, problems)
        if folder is not None:
            check_files(built, problems, folder, lambda path: self.child(path, files))
        problems.raise_any()
        if folder is None:
            return built.spec
        home = folder.resolve()
        spec = built.spec
        return attrs.evolve(
            spec,
            folder=str(home),
            tasks=tuple(at_home(task, home) for task in spec.tasks),
            templates=tuple(at_home(task, home) for task in spec.templates),
        )

    def child(self, path: Path, files: tuple[Path, ...]) -> WorkflowSpec | None:
        """Read a workflow that another one names; None if its errors were given before."""
        here = path.resolve()
        if here in files:
            names = [file.name for file in files[files.index(here) :]]
            chain = " → ".join([*names, here.name])
            raise DefinitionError([f"these workflow files start each other in a cycle: {chain}"])
        if len(files) >= FILES_DEEP_MAX:
            raise DefinitionError([f"more than {FILES_DEEP_MAX} workflow files start each other"])
        if here not in self.read_already:
            self.read_already[here] = None
            self.read_already[here] = self.load(path, str(path), files)
        return self.read_already[here]


@attrs.define
class Built:
    """A workflow as read, with the drafts its tasks were made of."""

    node: Mapping
    spec: WorkflowSpec
    drafts: list[Draft]


def at_home(task: TaskSpec, home: Path) -> TaskSpec:
    """Let a function of a file beside the definition be that one, wherever the engine runs."""
    key = {"function": "function", "wait": "probe"}.get(task.kind)
    if key is None:
        return task
    module, _, name = str(task.config[key]).partition(":")
    file = home / f"{module}.py"
    if "." in module or not file.is_file():
        return task
    return attrs.evolve(task, config={**task.config, key: f"{file}:{name}"})


def _build(node: Node, problems: Problems) -> Built:
    place = Place(problems)
    if not isinstance(node, Mapping):
        place.report(node.line, f"a definition must be a mapping with tasks:, not {describe(node)}")
        return Built(Mapping(node.line), WorkflowSpec(name=""), [])
    found = read_fields(node, place, WORKFLOW, ("tasks",))
    tasks = found.pop("tasks", INVALID)
    drafts = _read_tasks(tasks, place)
    growth = read_growth(node, found, None if tasks is INVALID else drafts, place)
    _check_pools(drafts, found, problems)
    inputs = _inputs(node, found.pop("inputs", {}), place)
    fields = {key: value for key, value in found.items() if value is not INVALID}
    name = fields.pop("workflow", None) or Path(problems.source).stem or "workflow"
    later = set(growth.later)
    spec = WorkflowSpec(
        name=name,
        tasks=tuple(draft.spec() for draft in drafts if draft.id and draft not in later),
        inputs=inputs,
        expressions=True,
        holes=growth.holes,
        templates=tuple(draft.spec() for draft in growth.later),
        promises=growth.promises,
        flow=growth.flow,
        **fields,
    )
    check_expressions(node, drafts, spec, place)
    if not problems:
        _check_promises(node, spec, place)
    return Built(node, spec, drafts)


def _check_promises(node: Mapping, spec: WorkflowSpec, place: Place) -> None:
    """Report what is promised and cannot hold together."""
    refused = why_not(spec)
    if refused is not None:
        key = "promises" if spec.promises or not spec.flow else "flow"
        place.key(key).report(node.lines[key], refused)


def _read_tasks(node: Node | Invalid, place: Place) -> list[Draft]:
    if isinstance(node, Invalid):
        return []
    drafts = read_drafts(node, place.key("tasks"))
    assign_ids(drafts)
    resolve_needs(drafts, place.problems)
    report_cycles(drafts)
    return drafts


def _check_pools(drafts: list[Draft], found: dict[str, Any], problems: Problems) -> None:
    pools = found.get("pools", {})
    if pools is INVALID:
        return
    for draft in drafts:
        pool = draft.found.get("pool")
        if pool is not None and pool not in pools:
            near = problems.suggest(pool, pools) or "; declare it in pools:"
            message = f'unknown pool "{pool}"{near}'
            draft.place.key("pool").report(draft.line("pool"), message)


def _inputs(node: Mapping, found: Any, place: Place) -> dict[str, InputSpec]:
    if found is INVALID:
        return {}
    declared: dict[str, InputSpec] = {}
    for name, fields in found.items():
        spot = place.key("inputs").key(name)
        entries = node.entries["inputs"]
        line = entries.lines[name] if isinstance(entries, Mapping) else node.line
        declared[name] = _input(fields, spot, line)
    return declared


def _input(fields: dict[str, Any], place: Place, line: int) -> InputSpec:
    required = "default" not in fields and fields.get("required", True)
    spec = attrs.evolve(InputSpec(**fields), required=required)
    try:
        free = attrs.evolve(spec, enum=None)
        if spec.enum is not None:
            spec = attrs.evolve(spec, enum=tuple(fit(free, each) for each in spec.enum))
    except ValueError as error:
        place.key("enum").report(line, f"each value {error}")
        return spec
    if spec.default is None:
        return spec
    try:
        return attrs.evolve(spec, default=fit(spec, spec.default))
    except ValueError as error:
        place.key("default").report(line, f"this {error}")
        return spec
