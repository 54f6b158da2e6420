"""The child's side of a start: from a fresh fork to what it is to become.

The child answers on its *status* pipe, which the engine reads to its end: first its process id,
then, if it could not start, a line with the kind of error and one sentence.  A program that starts
closes the pipe by ``exec``, so the helper never waits for a child.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import Any, NoReturn

from . import kernel, procfs, python_task

Spec = dict[str, Any]

# What the helper or its interpreter ignores or handles; an ignored signal would stay so through
# exec.
_RESTORED_SIGNALS = (
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGPIPE,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGXFSZ,
)
_PASSING_ERRORS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def become(
    spec: Spec, fds: list[int], *, slot: int | None, helper_pid: int, foreign: list[int]
) -> NoReturn:
    """Turn this fresh fork into what the spec says; never returns.

    Args:
        spec: The command, see the engine's ``Command``.
        fds: The ends of the pipes for stdin, stdout, stderr and status.
        slot: Where in memory the marks go.
        helper_pid: The helper's process id.
        foreign: The helper's own descriptors, which the child must not keep.
    """
    try:
        _settle_in(fds, helper_pid, foreign)
        _set_environment(spec, slot)
        if spec["cwd"] is not None:
            os.chdir(spec["cwd"])
        _set_limits(spec["memory"], spec["cpu"])
        if spec["argv"] is None:
            python_task.become(spec, status=fds[3])
        os.execvp(spec["argv"][0], spec["argv"])  # noqa: S606 - a shell only where one is asked for
    except (OSError, ValueError) as error:
        _refuse(fds[3], error, spec)
    finally:
        # Whatever happened: a fork must never carry on as a second helper.
        os._exit(1)


def _settle_in(fds: list[int], helper_pid: int, foreign: list[int]) -> None:
    """Leave the helper behind: its session, signals and files."""
    os.setsid()
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != helper_pid:
        os._exit(1)
    os.write(fds[3], b"%d\n" % os.getpid())
    signal.set_wakeup_fd(-1)
    for number in _RESTORED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    for target in range(3):
        os.dup2(fds[target], target)
    for fd in (*fds[:3], *foreign):
        os.close(fd)


def _set_environment(spec: Spec, slot: int | None) -> None:
    os.environ.update(spec["env"])
    marks = {procfs.ATTEMPT: spec["attempt"], procfs.RUN: spec["run"]}
    os.environ.update(marks)
    if slot is not None and spec["argv"] is None:
        kernel.write_slot(slot, [procfs.mark(name, value) for name, value in marks.items()])


def _set_limits(memory: int | None, cpu: int | None) -> None:
    if memory is None and cpu is None:
        return
    import resource

    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if cpu is not None:
        # The soft limit says SIGXCPU, the hard one, a second later, SIGKILL.
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))


def refusal(kind: str, title: str, reason: str) -> bytes:
    """Return what stands on the status pipe when a start failed."""
    return f"{kind}\tCannot start {title}: {reason}.".encode(errors="replace")


def _refuse(status: int, error: OSError | ValueError, spec: Spec) -> None:
    passing = isinstance(error, OSError) and error.errno in _PASSING_ERRORS
    reason = _reason(error, spec) if isinstance(error, OSError) else str(error)
    os.write(status, refusal("error" if passing else "config", title(spec), reason))


def title(spec: Spec) -> str:
    """Return how messages name what was to be started."""
    return repr(spec["argv"][0] if spec["argv"] is not None else spec["python"])


def _reason(error: OSError, spec: Spec) -> str:
    cwd, program = spec["cwd"], spec["argv"] is not None
    if cwd is not None and error.filename == cwd:
        return f"its working directory {cwd!r} cannot be entered ({error.strerror})"
    if error.errno == errno.ENOENT:
        return "there is no such program" if program else "there is no such file"
    if error.errno == errno.EACCES:
        return "it is not executable" if program else "it may not be read"
    if error.errno == errno.ENOEXEC:
        return "it is not a program (a script needs a first line such as #!/bin/sh)"
    return str(error.strerror)
