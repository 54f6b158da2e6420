"""What every store says when it refuses: the same words, whichever store it is."""

from __future__ import annotations

from ..workflow import RunOwned, UnknownRun
from ._protocol import Conflict, EngineInfo, Transition


def check_transition(transition: Transition, version: int | None, owner: str | None) -> None:
    """Raise :class:`Conflict` unless a run with this version and owner may make the transition.

    Args:
        transition: What somebody wants to write.
        version: How many events the run has now; None when there is no such run.
        owner: The engine that owns it now.
    """
    run = transition.run
    if version is None:
        if transition.version:
            raise Conflict(run, f"run {run!r} is not in the store")
    elif transition.version == 0:
        raise Conflict(run, f"run {run!r} exists already; choose another id")
    elif owner != transition.engine:
        raise Conflict(
            run, f"run {run!r} belongs to engine {owner!r}, and {transition.engine!r} wanted to write"
        )
    elif version != transition.version:
        raise Conflict(
            run,
            f"run {run!r} has {version} events where its writer expected {transition.version}; "
            f"somebody else changed it",
        )


def unknown_run(run: str) -> UnknownRun:
    """Say that there is no such run."""
    return UnknownRun(f"no run {run!r} in this store; `callboard runs` lists them")


def owned(run: str, owner: str, engine: EngineInfo | None) -> RunOwned:
    """Say which living engine owns a run."""
    where = f" (process {engine.pid} on {engine.host})" if engine else ""
    return RunOwned(
        f"run {run!r} belongs to engine {owner!r}{where}, which is alive; "
        f"stop that engine, or send the run a command instead",
        run_id=run,
        owner=owner,
    )
