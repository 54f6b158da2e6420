"""One task in the format of definition files, as a running task says it of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .._frozen import frozen
from ..workflow import DefinitionError, TaskSpec, WorkflowSpec
from ._drafts import Draft, read_draft
from ._files import check_files
from ._kinds import KEYS
from ._loader import at_home, load_file
from ._nodes import Mapping as MappingNode, node_of
from ._order import derive_id
from ._problems import Place, Problems

_NOT_HERE: Final = {
    "needs": "say after:",
    "id": "say key:",
    "when": "decide it here, and do not add the task",
}
_LINE: Final = 1


@frozen
class _Built:
    node: MappingNode
    spec: WorkflowSpec
    drafts: list[Draft]


def read_task(said: Mapping[str, Any], folder: str | Path | None) -> TaskSpec:
    """Read one task: its name, how it is done, and how it is supervised.

    Args:
        said: JSON, with the keys that a task has in a file.
        folder: What relative paths start from; without it files are not looked for.

    Raises:
        DefinitionError: something is wrong; ``errors`` holds all of it.
    """
    name = str(said["name"])
    problems = Problems("task")
    place = Place(problems)
    node = MappingNode(_LINE)
    for key, value in said.items():
        if key in _NOT_HERE:
            place.key(key).report(_LINE, f"it has no meaning here; {_NOT_HERE[key]}")
        else:
            node.add(key, _LINE, node_of(value, _LINE))
    draft = read_draft(node, place)
    if draft is None or not any(key in KEYS for key in said):
        others = ", ".join(f"{key}:" for key in said if key not in ("name", "with"))
        place.report(_LINE, f"{others} goes with how the task is done; say that, too")
    if draft is not None and folder is not None:
        built = _Built(node, WorkflowSpec(name=""), [draft])
        check_files(built, problems, Path(folder), load_file)
    if problems or draft is None:
        raise DefinitionError([_shown(text, name) for text in problems.texts()])
    draft.id = derive_id(name) or "task"
    return draft.spec() if folder is None else at_home(draft.spec(), Path(folder).resolve())


def _shown(text: str, name: str) -> str:
    """Return an error without a line, since there is none."""
    return f"task {name!r}: {text.removeprefix(f'task:{_LINE}: ')}"
