"""How fast the spawner starts processes, beside a bare interpreter in the same run.

    python benchmarks/bench_spawner.py [COUNT] [AT ONCE]

Every figure is the median of three rounds, in processes a second; ratios are to ``python -c pass``
started with ``subprocess`` at the same concurrency.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio

from callboard.executors._spawner import Command, Spawner

_ROUNDS = 3
_START = (
    b'{"type": "start", "protocol": 1, "run": "r", "task": "t", "label": "t", "generation": 1, '
    b'"attempt": 1, "fence": "f", "key": "k", "inputs": {}, "needs": {}, "holes": [], '
    b'"answers": []}\n'
)
_CONNECTED = "from callboard import child\nwith child.connect() as task:\n    task.success(1)\n"


def bare(argv: list[str], count: int, at_once: int) -> float:
    """Return the rate of ``subprocess.run`` in threads."""

    def one(_: int) -> None:
        subprocess.run(argv, check=True, capture_output=True)

    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(one, range(count)))
    return count / (time.perf_counter() - begun)


async def _one(spawner: Spawner, command: Command, given: bytes) -> None:
    async with await spawner.start(command) as process:
        if given:
            await process.stdin.write(given)
        output = [chunk async for chunk in process.stdout]
        errors = [chunk async for chunk in process.stderr]
        result = await process.wait()
        assert result.code == 0, (result, errors)
        assert bool(output) == bool(given), (output, errors)


async def spawned(make: Callable[[int], Command], given: bytes, count: int, at_once: int) -> float:
    """Return the rate of the spawner, output read to its end, not counting a first process."""
    numbers = iter(range(count))

    async def worker(spawner: Spawner) -> None:
        for number in numbers:
            await _one(spawner, make(number), given)

    async with Spawner(f"bench-{os.getpid()}") as spawner:
        await _one(spawner, make(-1), given)
        begun = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(at_once):
                tasks.start_soon(worker, spawner)
        return count / (time.perf_counter() - begun)


def _measures(folder: Path, count: int, at_once: int) -> dict[str, Callable[[], float]]:
    """Return what is measured, by name."""
    empty, connected = folder / "empty.py", folder / "connected.py"
    empty.write_text("pass\n")
    connected.write_text(_CONNECTED)

    def program(*argv: str) -> Callable[[int], Command]:
        return lambda number: Command(argv=argv, run="bench", attempt=f"bench/{number}")

    def python(path: Path) -> Callable[[int], Command]:
        return lambda number: Command(python=str(path), run="bench", attempt=f"bench/{number}")

    def on(backend: str, make: Callable[[int], Command], given: bytes) -> Callable[[], float]:
        return lambda: anyio.run(spawned, make, given, count, at_once, backend=backend)

    measures: dict[str, Callable[[], float]] = {
        "bare python -c pass": lambda: bare([sys.executable, "-c", "pass"], count, at_once),
        "bare true": lambda: bare(["true"], count, at_once),
    }
    for backend in ("asyncio", "trio"):
        for name, make, given in (
            ("true", program("true"), b""),
            ("python task, pass", python(empty), b""),
            ("python task, connect and success", python(connected), _START),
        ):
            measures[f"{backend}: {name}"] = on(backend, make, given)
    return measures


def main() -> None:
    """Measure and print a table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory() as folder:
        measures = _measures(Path(folder), count, at_once)
        rounds = [{name: measure() for name, measure in measures.items()} for _ in range(_ROUNDS)]
    rates = {name: statistics.median(each[name] for each in rounds) for name in measures}
    limit = rates["bare python -c pass"]
    print(f"{count} processes, {at_once} at a time, median of {_ROUNDS}")
    for name, rate in rates.items():
        print(f"{name:<44}{rate:>8.0f} /s{rate / limit:>8.2f} x")


if __name__ == "__main__":
    main()
