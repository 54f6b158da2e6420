"""What engine and helper say to each other: marshalled tuples, each behind its length.

Both ends are the same interpreter on the same machine, so ``marshal`` is safe to read and costs no
import.

Engine to helper: ``("start", id, spec)`` with four file descriptors (stdin, stdout, stderr and
status, see ``launch``), ``("signal", id, number)`` to a process group, ``("kill", id)`` to an
attempt and all it started. Helper to engine: ``("exit", id, code or None, signal or None, pids that
could not be ended)``.
"""

from __future__ import annotations

import marshal
from typing import Any

FDS_PER_START = 4
_HEADER = 4

Message = tuple[Any, ...]


def encode(message: Message) -> bytes:
    """Return the bytes that carry one message."""
    body = marshal.dumps(message)
    return len(body).to_bytes(_HEADER, "little") + body


class Decoder:
    """Puts messages together again from whatever pieces a socket returns."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take some bytes and return the messages they complete, in order."""
        buffer = self._buffer
        buffer += data
        messages: list[Message] = []
        while len(buffer) >= _HEADER:
            end = _HEADER + int.from_bytes(buffer[:_HEADER], "little")
            if len(buffer) < end:
                break
            messages.append(marshal.loads(bytes(buffer[_HEADER:end])))  # noqa: S302 - from ourselves
            del buffer[:end]
        return messages
