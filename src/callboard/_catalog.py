"""Finds workflows that a task, a clean-up or a user starts by name or by file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from ._workflows import Workflow
from .workflow import UsageError, WorkflowSpec


class Catalog:
    """Workflows by name; what is not among them is looked for as a file."""

    def __init__(self, workflows: Iterable[Workflow | WorkflowSpec] = ()) -> None:
        self._named: dict[str, Workflow | WorkflowSpec] = {each.name: each for each in workflows}

    def named(self, name: str) -> Workflow | WorkflowSpec:
        """Return the workflow with this name.

        Raises:
            UsageError: there is none.
        """
        found = self._named.get(name)
        if found is None:
            known = ", ".join(sorted(self._named)) or "none"
            raise UsageError(
                f"there is no workflow {name!r} in workflows= (known: {known}); "
                f"for a file use callboard.load({name!r})"
            )
        return found

    def find(self, reference: str, folder: str | None) -> WorkflowSpec:
        """Return the workflow that ``workflow:`` or ``failure_workflow:`` names."""
        found = self._named.get(reference)
        if isinstance(found, WorkflowSpec):
            return found
        if isinstance(found, Workflow):
            return found.build()[0]
        from ._loading import load

        loaded = load(Path(folder or ".") / reference)
        return loaded.build()[0] if isinstance(loaded, Workflow) else loaded

    def check_inputs(self, spec: WorkflowSpec, given: Any) -> Any:
        """Return inputs checked against what the workflow declares, with defaults."""
        if not spec.inputs and not given:
            return {}
        from .definitions import check_inputs

        if not isinstance(given, Mapping):
            given = {"value": given}
        return check_inputs(spec, cast("Mapping[str, Any]", given))
