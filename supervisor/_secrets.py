"""The secrets of an attempt, and how they are kept out of what is told of it: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

MASK: Final = "***"

LINE_MIN: Final = 4
"""A shorter line of a secret, like a brace, tells nothing of it and stands in many a text."""


class Secrets:
    """Values that must not appear in what is stored.

    The log is kept line by line, so each line of a secret is one by itself as well.
    """

    def __init__(self, values: Sequence[str] = ()) -> None:
        self.values = tuple(values)
        # The longest first: a shorter one may be a part of it.
        parts = {part for each in values for part in _parts(each)}
        self._parts = sorted(parts, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """Return a text without them."""
        for part in self._parts:
            text = text.replace(part, MASK)
        return text


def _parts(secret: str) -> Iterator[str]:
    # Files that secrets come from end in a newline; what is printed often does not.
    whole = secret.strip()
    if whole:
        yield whole
    for line in map(str.strip, whole.split("\n")):
        if len(line) >= LINE_MIN:
            yield line


NO_SECRETS: Final = Secrets()
