"""Finds workflows that a task, a clean-up or a user starts by name or by file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

from ._workflows import Workflow
from .workflow import UsageError, WorkflowSpec

Stored: TypeAlias = Callable[[str], Awaitable[WorkflowSpec | None]]
"""Finds a definition that is kept in the store, by its name."""

_FILES = (".yaml", ".yml", ".json", ".py")


def names_a_file(reference: str) -> bool:
    """Whether what a ``workflow:`` says may be a file; everything else is a name and only that."""
    return reference.endswith(_FILES) or ":" in reference


class Catalog:
    """Workflows by name; what is not among them and looks like a file is looked for as one.

    Args:
        workflows: Those that the program which runs the engine knows; they come first.
        stored: Finds those that were stored.
    """

    def __init__(
        self, workflows: Iterable[Workflow | WorkflowSpec] = (), stored: Stored | None = None
    ) -> None:
        self.workflows: Mapping[str, Workflow | WorkflowSpec] = {
            each.name: each for each in workflows
        }
        self._stored = stored

    def unknown(self, name: str) -> UsageError:
        """Return what is said of a name that nothing has."""
        known = ", ".join(sorted(self.workflows)) or "none"
        hint = f"; for a file use callboard.load({name!r})" if names_a_file(name) else ""
        stored = "" if self._stored is None else " nor in the store"
        return UsageError(
            f"there is no workflow {name!r} in workflows= (known: {known}){stored}{hint}"
        )

    async def find(self, reference: str, folder: str | None) -> WorkflowSpec:
        """Return the workflow that ``workflow:`` or ``failure_workflow:`` names.

        Raises:
            UsageError: nothing has this name.
            DefinitionError: the file that it names cannot be read, or is wrong.
        """
        found = self.workflows.get(reference)
        if found is None and self._stored is not None:
            found = await self._stored(reference)
        if found is None:
            if not names_a_file(reference):
                raise self.unknown(reference)
            from ._loading import load

            found = load(Path(folder or ".") / reference)
        return found.build()[0] if isinstance(found, Workflow) else found

    def check_inputs(self, spec: WorkflowSpec, given: Any) -> Any:
        """Return inputs checked against what the workflow declares, with defaults."""
        if not spec.inputs and not given:
            return {}
        from .definitions import check_inputs

        if not isinstance(given, Mapping):
            given = {"value": given}
        return check_inputs(spec, cast("Mapping[str, Any]", given))
