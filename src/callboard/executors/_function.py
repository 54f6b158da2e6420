"""Functions: async ones on the loop, sync ones in a thread of the engine's own limiter."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import attrs

from .._values import Signature, encode, is_async
from ..actors._busy import busy
from ..supervisor import Done, Failed, Lease, NoExecutor, NotDone, Outcome
from ..workflow import Failure, TaskSpec, UsageError

current_lease: ContextVar[Lease] = ContextVar("callboard_lease")


@attrs.frozen
class NotReady:
    """What a task returns to say that the run may not go on past it, which is no failure."""

    reason: str | None = None


@attrs.frozen(eq=False)
class _Known:
    function: Callable[..., Any]
    signature: Signature
    on_loop: bool


class FunctionExecutor:
    """Calls Python functions.

    Args:
        threads: How many sync functions may run at once.
        given: Functions by the text they are stored under, beside those that can be imported.
    """

    def __init__(self, threads: int, given: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._known: dict[str, _Known] = {}
        for path, function in (given or {}).items():
            self.register(path, function)

    def register(self, path: str, function: Callable[..., Any]) -> None:
        """Let stored tasks find a function that cannot be imported."""
        known = self._known.get(path)
        if known is None or known.function is not function:
            self._known[path] = _Known(function, Signature.of(function), is_async(function))

    def find(self, spec: TaskSpec) -> Callable[..., Any]:
        """Return a task's function.

        Raises:
            NoExecutor: it is not to be found; the text says how to give it.
        """
        return self._find(str(spec.config["function"])).function

    def _find(self, path: str) -> _Known:
        known = self._known.get(path)
        if known is None:
            self.register(path, load_function(path))
            known = self._known[path]
        return known

    async def execute(self, lease: Lease) -> Outcome:
        """Call the function with the lease's inputs and return what it gave."""
        path = str(lease.spec.config["function"])
        try:
            return outcome_of(await self.call(path, lease), path)
        except (NoExecutor, BadCall) as error:
            return Failed(Failure(kind="config", message=str(error)))

    async def call(self, path: str, lease: Lease) -> Any:
        """Call the function under this path with the lease's inputs and return what it returned.

        Raises:
            NoExecutor: it is not to be found.
            BadCall: it cannot be called with these inputs.
        """
        known = self._find(path)
        args, kwargs = _arguments(known.signature, lease, path)
        token = current_lease.set(lease)
        try:
            if known.on_loop:
                return await known.function(*args, **kwargs)
            return await in_thread(partial(known.function, *args, **kwargs), self._limiter, lease)
        finally:
            current_lease.reset(token)


class BadCall(Exception):
    """A function cannot be called with what its task gives it."""


def _arguments(signature: Signature, lease: Lease, path: str) -> tuple[list[Any], dict[str, Any]]:
    inputs = lease.inputs
    if inputs is not None and not (isinstance(inputs, dict) and inputs.keys() == {"args", "kwargs"}):
        inputs = {"args": [], "kwargs": inputs}
    try:
        args, kwargs = signature.arguments(inputs, f"{path!r}")
        signature.signature.bind(*args, **kwargs)
    except (TypeError, UsageError) as error:
        raise BadCall(f"{path!r} cannot be called with what the task gives it: {error}") from error
    return args, kwargs


def outcome_of(result: Any, path: str) -> Outcome:
    """Return what a function returned as an outcome."""
    if result is None:
        return Done()
    if isinstance(result, NotReady):
        return NotDone(result.reason)
    try:
        return Done(encode(result, f"what {path!r} returned"))
    except UsageError as error:
        return Failed(Failure(kind="bad_output", message=str(error)))


async def in_thread(call: Callable[[], Any], limiter: anyio.CapacityLimiter, lease: Lease) -> Any:
    """Call a sync function in a thread; when cancelled, leave it to end by itself and say so in the lease."""
    ended = anyio.Event()
    token = anyio.lowlevel.current_token()

    def work() -> Any:
        try:
            return call()
        finally:
            # The loop may be gone before a function that could not be stopped.
            with contextlib.suppress(RuntimeError, anyio.RunFinishedError):
                anyio.from_thread.run_sync(ended.set, token=token)

    try:
        with busy():
            return await anyio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        if not ended.is_set():
            lease.lingering = ended.wait
        raise


def load_function(path: str) -> Callable[..., Any]:
    """Return the function that ``module:qualname`` or ``path.py:qualname`` names.

    Raises:
        NoExecutor: there is none.
    """
    found = load_object(path)
    return getattr(found, "function", found)  # A TaskFunction stands for its function.


def load_object(path: str) -> Any:
    """Return what ``module:qualname`` or ``path.py:qualname`` names.

    Raises:
        NoExecutor: there is none.
    """
    module_name, _, name = path.rpartition(":")
    needs = f"needs {path!r}, which this engine does not find: install it, or pass it in Engine(tasks=[…])"
    if not module_name or "<locals>" in name:
        raise NoExecutor(needs)
    try:
        found: Any = _module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise NoExecutor(f"{needs} ({error})") from error
    return found


def _module(name: str) -> Any:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    main = sys.modules.get("__main__")
    if main is not None and getattr(main, "__file__", None) and Path(str(main.__file__)).resolve() == Path(name):
        return main
    key = f"callboard_file_{abs(hash(name)):x}"
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    return module
