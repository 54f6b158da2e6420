"""Feeds what is read from outside with mutations, and looks that nothing crashes, hangs or swells.

Whatever a file, a process or a request holds, it is taken or refused in words: no other exception,
no answer of 500, no case that takes long.  A case is made by the seed and its number alone.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from callboard._creations import creations_of
from callboard.definitions import loads
from callboard.executors._protocol import (
    BadOutput,
    LineReader,
    Message,
    PlainText,
    encode_reply,
    parse_line,
)
from callboard.workflow import DefinitionError, Refused, WorkflowSpec, picture_of_spec

from .corpus import MESSAGES, definition_files, definition_values
from .mutation import Mutator

CASE_SECONDS: Final = 10
"""How long one case may take, on a machine that others use, too."""

SWELLING_BYTES: Final = 768 * 1024 * 1024
"""How much more memory than at its beginning the process may ever have."""


class Found(Exception):
    """A case that must not be, and how to see it again."""


class TooLong(Exception):
    """A case took too long."""


@contextmanager
def in_time() -> Generator[None]:
    """Raise in whatever takes too long, awaited or not."""

    def stop(*_: object) -> None:
        raise TooLong

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(CASE_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def peak_bytes() -> int:
    """Return the most memory that this process ever had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def fuzz_pure(name: str, case: Callable[[Mutator], str], seconds: float, seed: int) -> Counter[str]:
    """Run cases that need nothing else for so long, and return what became of them."""
    counts: Counter[str] = Counter()
    before, until = peak_bytes(), time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        number += 1
        try:
            with in_time():
                counts[case(Mutator(Random(f"{name}:{seed}:{number}")))] += 1
        except Exception as error:
            raise Found(f"{name}, seed {seed}, case {number}: {error!r}") from error
    swollen = peak_bytes() - before
    assert swollen < SWELLING_BYTES, f"{name}, seed {seed}: {swollen // 1024**2} MiB more memory"
    return counts


# --- definition files -----------------------------------------------------------------------------


def definition_case(mutator: Mutator) -> str:
    """Read a mutated definition, and draw what could be read."""
    rng = mutator.rng
    name = rng.choice(("f.yaml", "f.json"))
    if rng.random() < 0.6:
        value = mutator.value(rng.choice(definition_values()), definition_values())
        raw = json.dumps(value).encode()
        if rng.random() < 0.2:
            raw = mutator.raw(raw)
    else:
        raw = mutator.raw(rng.choice(definition_files()))
    try:
        spec = loads(raw, name)
    except DefinitionError as error:
        refused = error
    else:
        assert isinstance(spec, WorkflowSpec)
        if len(spec.tasks) < 300:
            picture_of_spec(spec).to_dot()
        return "read"
    assert refused.errors
    assert all(each.startswith(name) for each in refused.errors), refused.errors
    return "refused"


GROWING: Final = (
    *("add_task", "add_edge", "promise", "hole", "give", "close", "style", "again", "batch"),
)


# --- protocol lines -------------------------------------------------------------------------------


def protocol_case(mutator: Mutator) -> str:
    """Read mutated lines, cut into chunks anywhere, and make what they say into commands."""
    rng = mutator.rng
    lines: list[bytes] = []
    for _ in range(rng.choice((1, 1, 3))):
        value: Any = rng.choice(MESSAGES)
        if rng.random() < 0.7:
            value = mutator.value(value, MESSAGES)
        line = json.dumps(value).encode()
        lines.append(mutator.raw(line) if rng.random() < 0.4 else line)
    output = b"\n".join(lines)
    limit = rng.choice((16, 200, 4 * 1024 * 1024))
    reader, found, rest = LineReader(limit), list[bytes](), output
    while rest:
        size = rng.choice((1, 7, 100, len(rest)))
        found += reader.feed(rest[:size])
        rest = rest[size:]
    found += reader.close()
    wanted = output.split(b"\n")
    if wanted[-1] == b"":
        wanted.pop()
    assert found == [each[: limit + 1] for each in wanted]
    return ",".join(sorted({_said(line) for line in wanted}))


def _said(line: bytes) -> str:
    said = parse_line(line)
    match said:
        case PlainText():
            return "text"
        case BadOutput(reason):
            assert reason
            return "bad"
        case Message():
            if said.id is not None:
                assert encode_reply(said.id).endswith(b"\n")
            if said.type in GROWING:
                try:
                    creations_of(said, ".")
                except Refused:
                    return "refused"
            return "message"


PURE: Final[dict[str, Callable[[Mutator], str]]] = {
    "definitions": definition_case,
    "protocol": protocol_case,
}


def fuzz(target: str, seconds: float, seed: int) -> Counter[str]:
    """Fuzz one target for so long and return what became of its cases.

    Raises:
        Found: something must not be.
    """
    if target in PURE:
        return fuzz_pure(target, PURE[target], seconds, seed)
    from .rest_cases import fuzz_rest

    return fuzz_rest(seconds, seed)


TARGETS: Final = ("definitions", "protocol", "rest")
