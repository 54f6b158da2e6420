"""``run_dag``: a plain mapping of jobs and what each needs, run here and now."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import anyio

from ._binder import Binder
from ._catalog import Catalog
from ._tasks import check_choice
from ._values import is_async
from ._workflows import ON_FAILURE
from .executors._function import NotReady, in_thread
from .storage import MemoryStore
from .supervisor import Done, Lease, NotDone, Outcome, Tree
from .supervisor._collector import no_collection
from .workflow import DefinitionError, RunResult, TaskSpec, UsageError, WorkflowSpec, commands as c

Jobs = Mapping[str, Callable[[], Any]] | Iterable[Any]


async def run_dag(
    jobs: Jobs,
    needs: Mapping[str, Iterable[str]] | None = None,
    *,
    concurrency: int | None = None,
    timeout: float | None = None,
    on_failure: str = "stop",
) -> RunResult:
    """Run jobs in the order that their needs ask for, and return what came of each.

    Args:
        jobs: A mapping from name to a callable, sync or async, or objects with ``name`` and
            ``do()``.
        needs: What each job runs after; a job that is not in it needs nothing.
        concurrency: Jobs at once; 4 × CPUs, at least 8, if not given.
        timeout: Seconds for all of it.
        on_failure: ``stop`` (default), ``drain``, ``skip_downstream`` or ``allow_partial``.

    A job returns None or True (ready), False or :class:`NotReady` (not ready: what is below is
    skipped), any
    other value (its output, handed over as it is), or raises.  Cancelling this cancels the jobs.

    Raises:
        DefinitionError: names that are not known, named twice, or a cycle: all at once.
        UsageError: an argument is out of range.
    """
    with no_collection():
        calls = _calls(jobs)
        spec = _spec(calls, needs or {}, concurrency, timeout, on_failure)
    limit = max(8, 4 * (os.cpu_count() or 1)) if concurrency is None else concurrency
    if limit < 1:
        raise UsageError(f"concurrency must be at least 1, not {concurrency}")
    tree = Tree(
        MemoryStore(keep=False),
        concurrency=limit,
        executors={"job": _Jobs(calls, limit)},
        binder=Binder(),
        catalog=Catalog(),
        grace=0.0,
    )
    async with tree:
        live = await tree.start(spec)
        try:
            await live.done.wait()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                live.post(c.Cancel(reason="run_dag was cancelled"))
                await live.done.wait()
            raise
    if live.failure is not None:
        raise live.failure
    with no_collection():
        return RunResult.of(live.run)


class _Jobs:
    def __init__(self, calls: Mapping[str, Callable[[], Any]], threads: int) -> None:
        # By function: many jobs may share one, and a million of them should not cost a tuple each.
        self._calls = calls
        self._on_loop = {key: is_async(c) for key, c in {id(c): c for c in calls.values()}.items()}
        self._limiter = anyio.CapacityLimiter(threads)

    def check(self, spec: TaskSpec) -> None:
        """Every job is here."""

    async def execute(self, lease: Lease) -> Outcome:
        call = self._calls[lease.task]
        on_loop = self._on_loop[id(call)]
        result = call() if on_loop else await in_thread(call, self._limiter, lease)
        if inspect.isawaitable(result):
            result = await result
        if result is None or result is True:
            return _DONE
        if result is False:
            return NotDone()
        return NotDone(result.reason) if isinstance(result, NotReady) else Done(result)


_DONE = Done()


def _calls(jobs: Jobs) -> dict[str, Callable[[], Any]]:
    if isinstance(jobs, Mapping):
        return dict(cast("Mapping[str, Callable[[], Any]]", jobs))
    calls: dict[str, Callable[[], Any]] = {}
    objects: Iterable[Any] = jobs
    for job in objects:
        name = str(job.name)
        if name in calls:
            raise DefinitionError([f"two jobs have the name {name!r}"])
        calls[name] = job.do
    return calls


def _spec(
    calls: Mapping[str, Callable[[], Any]],
    needs: Mapping[str, Iterable[str]],
    concurrency: int | None,
    timeout: float | None,
    on_failure: str,
) -> WorkflowSpec:
    check_choice("on_failure", on_failure, ON_FAILURE)
    wanted = {name: tuple(dict.fromkeys(each)) for name, each in needs.items()}
    errors = list(_unknown(calls, wanted))
    if errors:
        raise DefinitionError(errors)
    nothing: dict[str, Any] = {}  # one for all: a dictionary each would be a million of them
    tasks = tuple(
        [
            TaskSpec(id=name, name=name, kind="job", needs=wanted.get(name, ()), config=nothing)
            for name in calls
        ]
    )
    return WorkflowSpec(
        name="dag",
        tasks=tasks,
        concurrency=concurrency,
        timeout=timeout,
        on_failure=on_failure,  # type: ignore[arg-type]  # checked above
        promises=("sealed",),
    )


def _unknown(calls: Mapping[str, Any], wanted: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    for name, each in wanted.items():
        if name not in calls:
            yield f"needs names the unknown job {name!r}{_near(name, calls)}"
        for need in each:
            if need not in calls:
                yield f"unknown job {need!r} in needs of {name!r}{_near(need, calls)}"


def _near(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
