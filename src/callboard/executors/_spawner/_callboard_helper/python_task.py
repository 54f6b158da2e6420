"""A Python task in a fork of the helper: ``python file.py`` without starting an interpreter."""

# pathlib would be one of the larger imports of a helper that must start at once, and the streams
# of a process are never closed.
# ruff: noqa: PTH100, PTH109, PTH120, PTH123, SIM115

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, NoReturn

Spec = dict[str, Any]

_INTERRUPTED = -signal.SIGINT


def prepare() -> None:
    """Import, once and in the helper, what Python tasks need, so that every fork has it already."""
    for name in ("json", "threading", "callboard.child"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # Keeps the forks' collectors from touching, and so copying, the memory they share.


def become(spec: Spec, status: int) -> NoReturn:
    """Do a Python task in this process, and exit as an interpreter would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _reopen_streams()
    task = _function(spec) if spec["function"] else _file(spec)
    os.close(status)
    _leave(_exit_code(task))


def _reopen_streams() -> None:
    """Make stdin, stdout and stderr anew: those of the helper were made for other files.

    Lines are sent when they are complete, since the engine reads them as they come.
    """
    encoding, errors = sys.stdout.encoding, sys.stdout.errors
    streams: dict[str, Any] = {
        "stdin": open(0, encoding=encoding, errors=errors, closefd=False),
        "stdout": open(1, "w", 1, encoding=encoding, errors=errors, closefd=False),
        "stderr": open(2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False),
    }
    for name, stream in streams.items():
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _file(spec: Spec) -> Callable[[], object]:
    path: str = spec["python"]
    with open(path, "rb") as file:
        source = file.read()
    main = ModuleType("__main__")
    main.__file__ = path
    main.__builtins__ = sys.modules["builtins"]  # type: ignore[attr-defined]
    sys.modules["__main__"] = main
    sys.argv = [path]
    sys.path[:0] = [os.path.dirname(os.path.abspath(path)), *spec["sys_path"]]
    return lambda: exec(compile(source, path, "exec"), main.__dict__)  # noqa: S102


def _function(spec: Spec) -> Callable[[], object]:
    child = importlib.import_module("callboard.child")
    sys.argv = [spec["python"]]
    sys.path[:0] = [*spec["sys_path"], os.getcwd()]
    return lambda: child.call(spec["python"])


def _exit_code(task: Callable[[], object]) -> int:
    """Run the task and say how it ends by an interpreter's rules: exit code or minus a signal."""
    try:
        task()
    except SystemExit as stop:
        return _code_of(stop)
    except BaseException as error:  # noqa: BLE001 - the process ends here, as an interpreter would
        error.with_traceback(_without_us(error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _code_of(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    sys.stderr.write(f"{stop.code}\n")
    return 1


def _without_us(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _leave(code: int) -> NoReturn:
    """Exit as an interpreter, but leave its modules as they are: that would outweigh the fork."""
    try:
        interpreter: Any = (sys.modules["threading"], atexit)
        interpreter[0]._shutdown()  # noqa: SLF001
        interpreter[1]._run_exitfuncs()  # noqa: SLF001
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                code = (
                    code or 120
                )  # What Python itself exits with when its output could not be written.
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code)
