"""Functions: async ones on the loop, sync ones in a thread of the engine's own limiter."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any, Final, cast

import anyio
import anyio.to_thread
import attrs

from .._frozen import frozen
from .._refs import DATA
from .._values import FILE_MODULE, Signature, check_same, encode, is_async
from ..actors._busy import busy
from ..storage._bridge import wake_of_this_loop
from ..supervisor import Done, Failed, Lease, NoExecutor, NotDone, Outcome, Suspended
from ..supervisor._runners import causes_of
from ..workflow import Failure, TaskSpec, UsageError
from ._attempt import Attempt, Home, current_attempt


@frozen
class NotReady:
    """What a task returns to say that the run may not go on past it, which is no failure."""

    reason: str | None = None


@attrs.frozen(eq=False)
class _Known:
    function: Callable[..., Any]
    signature: Signature
    on_loop: bool
    takes_nothing: bool
    gives_nothing: bool


_NOTHING: Final = Done()


def _nobody_asks() -> None:
    """Hear that a function begins."""


class FunctionExecutor:
    """Calls Python functions.

    Args:
        threads: How many sync functions may run at once.
        given: Functions by the text they are stored under, beside those that can be imported.
        on_new: Called when a running task brought a function that was not known.
    """

    def __init__(
        self,
        threads: int,
        given: Mapping[str, Callable[..., Any]] | None = None,
        on_new: Callable[[], object] = lambda: None,
    ) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._known: dict[str, _Known] = {}
        self._home: Home | None = None
        for path, function in (given or {}).items():
            self.register(path, function)
        self._on_new = on_new

    def register(self, path: str, function: Callable[..., Any]) -> bool:
        """Let stored tasks find a function that cannot be imported; return whether it is new.

        Raises:
            UsageError: tasks find another function under this path, which no import tells apart.
        """
        known = self._known.get(path)
        if known is not None:
            if known.function is function:
                return False
            if "<" in path:
                check_same(known.function, function, path)
        signature = Signature.of(function)
        self._known[path] = _Known(
            function,
            signature,
            on_loop=is_async(function),
            takes_nothing=not signature.signature.parameters,
            gives_nothing=signature.result in (NoneType, inspect.Parameter.empty, Any),
        )
        return True

    def check(self, spec: TaskSpec) -> None:
        """Tell whether a task's function is to be had.

        Raises:
            NoExecutor: it is not to be found; the text says how to give it.
        """
        self._find(str(spec.config["function"]))

    def check_path(self, path: str) -> None:
        """Tell whether the function of this path is to be had.

        Raises:
            NoExecutor: it is not to be found; the text says how to give it.
        """
        self._find(path)

    def _find(self, path: str) -> _Known:
        known = self._known.get(path)
        if known is None:
            self.register(path, load_function(path))
            known = self._known[path]
        return known

    def bring(self, path: str, function: Callable[..., Any]) -> None:
        """Let tasks that a running one creates find their function.

        Raises:
            UsageError: tasks find another function under this path, which no import tells apart.
        """
        if self.register(path, function):
            self._on_new()

    async def execute(self, lease: Lease) -> Outcome:
        """Call the function with the lease's inputs and return what it gave."""
        path = str(lease.spec.config["function"])
        attempt = self._attempt(lease)
        try:
            known = self._find(path)
            result = await self._call(known, path, attempt)
        except (NoExecutor, BadCall) as error:
            return Failed(Failure(kind="config", message=str(error)))
        except BaseException as error:
            if attempt.asked is None or _is_cancelled(error):
                raise
            return Suspended(attempt.asked)
        if attempt.asked is not None:
            return Suspended(attempt.asked)
        if result is None and known.gives_nothing:
            return _NOTHING
        return outcome_of(result, path, known.signature)

    async def call(self, path: str, lease: Lease, begun: Callable[[], object]) -> Any:
        """Call the function under this path with the lease's inputs and return what it returned.

        ``begun()`` tells that it begins: a sync one stands in line for a thread before.

        Raises:
            NoExecutor: it is not to be found.
            BadCall: it cannot be called with these inputs.
        """
        return await self._call(self._find(path), path, self._attempt(lease), begun)

    def _attempt(self, lease: Lease) -> Attempt:
        if self._home is None:
            self._home = Home.here()
        return Attempt(lease, self, self._home)

    async def _call(
        self,
        known: _Known,
        path: str,
        attempt: Attempt,
        begun: Callable[[], object] = _nobody_asks,
    ) -> Any:
        lease = attempt.lease
        call = known.function
        if lease.inputs is not None or not known.takes_nothing:
            args, kwargs = _arguments(known.signature, lease, path)
            call = partial(known.function, *args, **kwargs)
        token = current_attempt.set(attempt)
        try:
            if known.on_loop:
                begun()
                result = call()
            else:
                threaded = partial(attempt.in_own_thread, call)
                result = await in_thread(threaded, self._limiter, lease, begun)
            return await result if inspect.isawaitable(result) else result
        finally:
            current_attempt.reset(token)


def _is_cancelled(error: BaseException) -> bool:
    """Return whether an error is, or holds, the cancellation of the attempt."""
    cancelled = anyio.get_cancelled_exc_class()
    return isinstance(error, cancelled) or any(map(_is_cancelled, causes_of(error)))


class BadCall(Exception):
    """A function cannot be called with what its task gives it."""


def _arguments(signature: Signature, lease: Lease, path: str) -> tuple[list[Any], dict[str, Any]]:
    inputs = lease.inputs
    told = lease.spec.inputs
    if isinstance(told, dict) and DATA in told:
        told = cast("dict[str, Any]", told)[DATA]
    if inputs is not None and not _is_call(inputs):
        inputs, told = {"args": (), "kwargs": inputs}, None
    try:
        args, kwargs = signature.arguments(inputs, told)
        signature.signature.bind(*args, **kwargs)
    except (TypeError, UsageError) as error:
        name = path.rpartition(":")[2]
        raise BadCall(f"task {lease.task!r} cannot call {name!r}: {error}") from error
    return args, kwargs


def _is_call(inputs: Any) -> bool:
    """Return whether inputs are a call's; those from a definition file are keywords alone."""
    return isinstance(inputs, dict) and cast("dict[str, Any]", inputs).keys() == {"args", "kwargs"}


def outcome_of(result: Any, path: str, signature: Signature | None = None) -> Outcome:
    """Return what a function returned as an outcome.

    Args:
        result: What it returned.
        path: What it is called in errors.
        signature: What it said that it returns, if that is to be checked.
    """
    if isinstance(result, NotReady):
        return NotDone(result.reason)
    try:
        output = None if result is None else encode(result, f"what {path!r} returned")
        if signature is not None:
            signature.check_result(result, output, path)
    except UsageError as error:
        return Failed(Failure(kind="bad_output", message=str(error)))
    return Done(output)


async def in_thread(
    call: Callable[[], Any],
    limiter: anyio.CapacityLimiter,
    lease: Lease,
    begun: Callable[[], object] = _nobody_asks,
) -> Any:
    """Call a sync function in a thread, when the limiter gives it one: then it has begun.

    When cancelled, leave it to end by itself and say so in the lease; it keeps its thread.
    """
    threaded = _Threaded(call, limiter)
    with busy():
        try:
            limiter.acquire_on_behalf_of_nowait(threaded)  # saves a turn of the loop
        except anyio.WouldBlock:
            await limiter.acquire_on_behalf_of(threaded)
        begun()
        try:
            # In a tuple, because trio lets no thread return a coroutine.
            (result,) = await anyio.to_thread.run_sync(
                threaded.run, limiter=anyio.CapacityLimiter(1), abandon_on_cancel=True
            )
        except anyio.get_cancelled_exc_class():
            if threaded.leave():
                lease.lingering = threaded.wait_ended
            raise
        finally:
            if lease.lingering is None:
                limiter.release_on_behalf_of(threaded)
        return result


class _Threaded:
    """A call in a thread that whoever waits for it may leave before it has ended."""

    def __init__(self, call: Callable[[], Any], limiter: anyio.CapacityLimiter) -> None:
        self._call = call
        self._limiter = limiter
        self._lock = threading.Lock()
        self._state = "new"
        self._ended = anyio.Event()
        self._wake = wake_of_this_loop()

    def run(self) -> tuple[Any]:
        """Make the call, unless it was left before it began."""
        with self._lock:
            if self._state == "left":
                return (None,)
            self._state = "running"
        try:
            return (self._call(),)
        finally:
            if self._end() == "left":
                self._wake(self._end_late)

    def _end_late(self) -> None:
        self._limiter.release_on_behalf_of(self)
        self._ended.set()

    def _end(self) -> str:
        """Note that the call has ended; return the state before."""
        with self._lock:
            before, self._state = self._state, "ended"
        return before

    def leave(self) -> bool:
        """Wait for it no more; return whether it runs on."""
        with self._lock:
            runs_on = self._state == "running"
            if self._state != "ended":
                self._state = "left"
        return runs_on

    async def wait_ended(self) -> None:
        """Wait until a call that was left has ended."""
        with busy():
            await self._ended.wait()


def load_function(path: str) -> Callable[..., Any]:
    """Return the function that ``module:qualname`` or ``path.py:qualname`` names.

    Raises:
        NoExecutor: there is none.
    """
    found = load_object(path)
    function: Callable[..., Any] = getattr(
        found, "function", found
    )  # A TaskFunction stands for it.
    return function


def load_object(path: str) -> Any:
    """Return what ``module:qualname`` or ``path.py:qualname`` names.

    Raises:
        NoExecutor: there is none.
    """
    module_name, _, name = path.rpartition(":")
    needs = (
        f"needs {path!r}, which this engine does not find: "
        "install it, or pass it in Engine(tasks=[…])"
    )
    if not module_name or "<locals>" in name:
        raise NoExecutor(needs)
    try:
        found: Any = load_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        raise NoExecutor(f"{needs} ({error})") from error
    return found


def load_module(name: str) -> Any:
    """Return a module by its name, or by the path of its file; whatever that raises is raised."""
    if not name.endswith(".py"):
        return importlib.import_module(name)
    main = sys.modules.get("__main__")
    if (
        main is not None
        and getattr(main, "__file__", None)
        and Path(str(main.__file__)).resolve() == Path(name)
    ):
        return main
    imported = sys.modules.get(Path(name).stem)
    if imported is not None and getattr(imported, "__file__", None) == name:
        return imported
    key = f"{FILE_MODULE}{abs(hash(name)):x}"
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    # What stands beside the file can be imported by it, as if it were run.
    sys.path.insert(0, str(Path(name).parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[key]
        raise
    finally:
        sys.path.remove(str(Path(name).parent))
    return module
