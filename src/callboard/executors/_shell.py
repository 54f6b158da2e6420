"""Shell: a text for ``/bin/sh``, or a program and its arguments without any shell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import anyio

from ..actors._busy import busy
from ..supervisor import Done, Failed, Lease, Lost, Outcome
from ..workflow import Failure, UsageError
from ._processes import Output, command_for, exit_failure, keep_lines, stop_process
from ._spawner import Exit, Process, ProcessLost, Spawner, StartFailed

STDOUT_KEPT = 1 << 20
"""How much of a program's output becomes the task's output; the log keeps its lines up to its own
limit.
"""

_TAIL = 4_096


class ShellExecutor:
    """Runs programs; exit code 0 is success, any other is a failure of kind ``exit``."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner

    async def execute(self, lease: Lease) -> Outcome:
        """Run one program to its end."""
        said = lease.config["shell"]
        argv = ["/bin/sh", "-c", said] if isinstance(said, str) else [_text(each) for each in said]
        stdout = Output(STDOUT_KEPT, lease.secrets)
        stderr = Output(_TAIL, lease.secrets, last=True)
        try:
            process = await self._spawner.start(
                command_for(lease, argv=argv, variables=variables(lease.inputs))
            )
            async with process:
                with busy():
                    ended = await self._watch(process, lease, stdout, stderr)
        except StartFailed as error:
            return Failed(Failure(kind=error.kind, message=str(error)))
        except UsageError as error:
            return Failed(Failure(kind="config", message=str(error)))
        except ProcessLost as error:
            return Lost(str(error))
        return _outcome(ended, stdout.text(), stderr.text())

    async def _watch(self, process: Process, lease: Lease, stdout: Output, stderr: Output) -> Exit:
        process.stdin.close()
        ended: Exit | ProcessLost | None = None
        async with anyio.create_task_group() as readers:
            readers.start_soon(keep_lines, process.stdout, "stdout", lease, stdout)
            readers.start_soon(keep_lines, process.stderr, "stderr", lease, stderr)
            try:
                ended = await process.wait()
            except ProcessLost as lost:
                ended = lost
            except anyio.get_cancelled_exc_class():
                await stop_process(process, lease)
                raise
        assert ended is not None
        if isinstance(ended, ProcessLost):
            # Raised only here: a task group would wrap it.
            raise ended
        return ended


def _outcome(ended: Exit, stdout: str, stderr: str) -> Outcome:
    if ended.code == 0:
        return Done({"exit_code": 0, "stdout": stdout})
    return Failed(exit_failure(ended, stderr, stdout=stdout[-_TAIL:]))


def variables(inputs: Any) -> dict[str, str]:
    """Return inputs as environment variables: texts as they are, everything else as JSON."""
    if not isinstance(inputs, Mapping):
        return {}
    named = cast("Mapping[Any, Any]", inputs)
    return {str(name): _text(value) for name, value in named.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
