"""What every store says when it refuses: the same words, whichever store it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ..workflow import ENDED, Refused, RunOwned, RunState, UnknownRun, VersionConflict
from ._protocol import Conflict, EngineInfo, Transition

Head: TypeAlias = tuple[int, str | None]
"""How many events a run has, and the engine that owns it."""


def owner_after(transition: Transition) -> str | None:
    """Return who owns the run once the transition is written."""
    return None if transition.release else transition.engine


def check_transitions(
    transitions: Sequence[Transition], head: Callable[[str], Head | None]
) -> None:
    """Check each transition against the run as those before it will have left it.

    Args:
        transitions: What somebody wants to write at once.
        head: Returns what the store has of a run, None when there is no such run.

    Raises:
        Conflict: one of them does not fit.
    """
    ahead: dict[str, Head | None] = {}
    for each in transitions:
        run = each.run
        check_transition(each, ahead[run] if run in ahead else head(run))
        ahead[run] = (each.version + len(each.events), owner_after(each))


def check_transition(transition: Transition, head: Head | None) -> None:
    """Raise :class:`Conflict` unless a run of which this is known may make the transition."""
    run = transition.run
    if head is None:
        if transition.version:
            raise Conflict(run, f"run {run!r} is not in the store")
        return
    version, owner = head
    if transition.version == 0:
        raise Conflict(run, f"run {run!r} exists already; choose another id")
    if owner != transition.engine:
        raise Conflict(
            run, f"run {run!r} belongs to engine {owner!r}, not to {transition.engine!r} who writes"
        )
    if version != transition.version:
        raise Conflict(
            run,
            f"run {run!r} has {version} events where its writer expected {transition.version}: "
            f"somebody else changed it",
        )


def unknown_run(run: str) -> UnknownRun:
    """Say that there is no such run."""
    return UnknownRun(f"no run {run!r} in this store; `callboard runs` lists them")


def check_removable(run: str, state: RunState | None) -> None:
    """Raise unless a run in this state may be removed; None: there is no such run."""
    if state is None:
        raise unknown_run(run)
    if state not in ENDED:
        raise Refused(
            f"run {run!r} is {state}: only a run that has ended can be removed; "
            f"cancel it first (`callboard cancel {run}`)"
        )


def check_version(kind: str, id: str, expected: int, found: int) -> None:
    """Raise :class:`VersionConflict` unless a record has the version that its writer expects."""
    if expected != found:
        raise VersionConflict(kind, id, expected, found)


def owned(run: str, owner: str, engine: EngineInfo | None) -> RunOwned:
    """Say which living engine owns a run."""
    where = f" (process {engine.pid} on {engine.host})" if engine else ""
    return RunOwned(
        f"run {run!r} belongs to engine {owner!r}{where}, which is alive; "
        f"stop that engine, or send the run a command instead",
        run_id=run,
        owner=owner,
    )
