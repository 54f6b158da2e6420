"""What the registry asks of an engine: to make runs ready, to start them, and to cancel them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .._frozen import frozen
from .._workflows import Workflow
from ..supervisor import Live
from ..workflow import WorkflowSpec


@frozen
class Prepared:
    """A run that could be started.

    Attributes:
        spec: Its workflow.
        inputs: Its inputs as it keeps them.
        given: Its inputs by name, as whoever starts it sees them.
    """

    spec: WorkflowSpec
    inputs: Any
    given: Mapping[str, Any]


class Host(Protocol):
    """An engine, as the registry sees it."""

    @property
    def workflows(self) -> Mapping[str, Workflow | WorkflowSpec]:
        """Workflows by name that the program knows."""
        ...

    def prepare(
        self, workflow: Workflow | WorkflowSpec, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Prepared:
        """Return a run that could be started.

        Raises:
            DefinitionError, UsageError: what is wrong with it.
        """
        ...

    async def launch(
        self, prepared: Prepared, *, run_id: str | None, topic: str | None, job: str | None
    ) -> Live:
        """Start a run and return when it is stored.

        Raises:
            RunExists: there is a run with this id, and it is stored.
        """
        ...

    async def cancel(self, run_id: str, reason: str) -> None:
        """Cancel a run, whoever owns it.

        Raises:
            Refused: it has ended.
            UnknownRun: there is no such run.
        """
        ...
