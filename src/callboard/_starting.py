"""How an engine starts runs: what was given becomes a definition with its inputs, then a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ._catalog import Catalog
from ._tasks import is_task
from ._values import encode
from ._workflows import Workflow
from .storage import Conflict
from .supervisor import Live
from .workflow import RunExists, UsageError, WorkflowSpec, commands as c

if TYPE_CHECKING:
    from .engine import Engine
    from .registry import Prepared, Started, Wish


class Starting:
    """Starts runs for an engine; for its registry, it is the engine.

    Args:
        engine: The engine.
        catalog: The workflows that the program knows.
        register: Lets stored tasks find a function; returns whether it is new.
    """

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        register: Callable[[str, Callable[..., Any]], bool],
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._register = register

    @property
    def workflows(self) -> Mapping[str, Workflow | WorkflowSpec]:
        """Workflows by name that the program knows."""
        return self._catalog.workflows

    async def start(
        self,
        workflow: Workflow | WorkflowSpec | str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        wish: Wish,
        version: int | None = None,
    ) -> Started:
        """Start a run that belongs somewhere, or that a key makes unique."""

        async def prepare() -> Prepared:
            return self.prepare(await self.found(workflow, version), args, kwargs)

        return await self._engine.registry.starts.start(prepare, wish)

    async def found(
        self, workflow: Workflow | WorkflowSpec | str, version: int | None = None
    ) -> Workflow | WorkflowSpec:
        """Return a workflow that may have been given by its name.

        Raises:
            UsageError: nothing has this name.
            Refused: it is deprecated.
        """
        if not isinstance(workflow, str):
            return workflow
        known = self._catalog.workflows.get(workflow)
        if known is not None and version is None:
            return known
        definitions = self._engine.registry.definitions
        if await definitions.find(workflow) is None:
            raise self._catalog.unknown(workflow)
        return await definitions.workflow(workflow, version)

    def prepare(
        self, workflow: Workflow | WorkflowSpec, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Prepared:
        """Return a run that could be started, with what it was given by name."""
        from .registry import Prepared

        spec, inputs = self.spec_and_inputs(workflow, args, kwargs)
        if isinstance(workflow, Workflow):
            return Prepared(spec, inputs, kwargs)
        # What nobody gave and what has no default is not there, though the run keeps it as null.
        said: dict[str, Any] = {**(args[0] if args else {}), **kwargs}
        given = {name: each for name, each in inputs.items() if each is not None or name in said}
        return Prepared(spec, inputs, given)

    def spec_and_inputs(
        self, workflow: Workflow | WorkflowSpec, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[WorkflowSpec, Any]:
        """Return a definition, and the inputs of a run as it keeps them."""
        if isinstance(workflow, Workflow):
            spec, functions = workflow.build(*args, **kwargs)
            new = [path for path, each in functions.items() if self._register(path, each)]
            if new:
                self._engine.tree.look()
            inputs = {
                "args": [encode(a) for a in args],
                "kwargs": {k: encode(v) for k, v in kwargs.items()},
            }
            return spec, inputs if args or kwargs else None
        spec = _definition(workflow)
        if len(args) > 1 or (args and not isinstance(args[0], Mapping)):
            raise UsageError(
                "a workflow from a file takes its inputs as one mapping or as keywords"
            )
        mapping = cast("Mapping[str, Any]", args[0] if args else {})
        return spec, self._catalog.check_inputs(spec, {**mapping, **kwargs})

    async def launch(
        self, prepared: Prepared, *, run_id: str | None, topic: str | None, job: str | None
    ) -> Live:
        """Start a run and return when it is stored."""
        tree = self._engine.tree
        try:
            return await tree.start(
                prepared.spec, prepared.inputs, run_id=run_id, topic=topic, job=job
            )
        except RunExists as error:
            other = tree.live.get(error.run_id)
            if other is not None:
                # It may be on its way into the store only now, and not arrive.
                await other.stored.wait()
                failure = None if error.run_id in tree.aside else other.failure
                if failure is not None and not isinstance(failure.__cause__, Conflict):
                    raise failure from error
            raise

    async def cancel(self, run_id: str, reason: str) -> None:
        """Cancel a run, whoever owns it."""
        await self._engine.command(run_id, c.Cancel(reason=reason))


def _definition(given: object) -> WorkflowSpec:
    """Return what was given as a workflow, whatever its type said."""
    if not isinstance(given, WorkflowSpec):
        raise UsageError(_no_workflow(given))
    return given


def _no_workflow(given: Any) -> str:
    """Return what to do with something that is no workflow."""
    if callable(given):
        name = getattr(given, "__qualname__", repr(given))
        if is_task(given):
            return f"{name} is a task: add it to a workflow, a function decorated with @cb.workflow"
        return (
            f"{name} is a plain function: decorate it with @cb.workflow if it adds tasks to a "
            "workflow; plain functions that depend on each other are for cb.run_dag"
        )
    return (
        f"{type(given).__name__} is no workflow: give a function decorated with @cb.workflow, "
        "what cb.load() returned, or a name of workflows=; a plain mapping is for cb.run_dag"
    )
