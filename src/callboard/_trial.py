"""Whether a workflow can begin: asked of the kernel with a run that is thrown away."""

from __future__ import annotations

from .workflow import CallboardError, CycleError, WorkflowSpec, events as ev, start


def why_not(spec: WorkflowSpec) -> str | None:
    """Return why a run of a workflow would be refused, or nothing.

    Only what is promised can be judged so alone; without holes and promises nothing is asked.
    """
    if not (spec.holes or spec.promises):
        return None
    try:
        start(ev.RunCreated(at=0.0, run="trial", spec=spec))
    except CycleError as error:
        return f"these wait for each other in a cycle: {error}"
    except CallboardError as error:
        return str(error)
    return None
