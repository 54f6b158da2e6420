"""The secrets of an attempt, and how they are kept out of what is told of it: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

MASK: Final = "***"

LINE_MIN: Final = 4
"""A shorter line of a secret, like a brace, tells nothing of it and stands in many a text."""

DEPTH_MAX: Final = 100
"""What lies deeper in a value is not searched and not shown."""


class Secrets:
    """Values that must not appear in what is stored.

    The log is kept line by line, so each line of a secret is one by itself as well.
    """

    def __init__(self, values: Sequence[str] = ()) -> None:
        self.values = tuple(values)
        # The longest first: a shorter one may be a part of it.
        parts = {part for each in values for part in _parts(each)}
        self._parts = sorted(parts, key=len, reverse=True)
        self._bytes = [part.encode(errors="surrogatepass") for part in self._parts]
        self.reach = max(map(len, self._bytes), default=0)
        """How many bytes on the other side of a cut tell whether it goes through a secret."""

    def mask(self, text: str) -> str:
        """Return a text without them."""
        for part in self._parts:
            text = text.replace(part, MASK)
        return text

    def mask_value(self, value: Any) -> Any:
        """Return a JSON value without them, in its texts and in its names."""
        return self._masked(value, DEPTH_MAX) if self._parts else value

    def mask_fields(self, fields: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return named values without them; the names are ours, and stay."""
        if fields is None or not self._parts:
            return fields
        return {name: self.mask_value(each) for name, each in fields.items()}

    def cut_before(self, data: bytes | bytearray, at: int) -> int:
        """Return the last place up to ``at`` where a cut goes through no secret.

        Half of one would not be known, and so not masked.
        """
        while (across := self._across(data, at)) is not None:
            at = across[0]
        return at

    def cut_after(self, data: bytes | bytearray, at: int) -> int:
        """Return the first place from ``at`` on where a cut goes through no secret."""
        while (across := self._across(data, at)) is not None:
            at = across[1]
        return at

    def _masked(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.mask(value)
        if not isinstance(value, Mapping | list | tuple):
            return value
        if depth == 0:
            return MASK
        if isinstance(value, Mapping):
            named = cast("Mapping[Any, Any]", value)
            return {
                self._masked(name, 0): self._masked(each, depth - 1) for name, each in named.items()
            }
        return [self._masked(each, depth - 1) for each in cast("Sequence[Any]", value)]

    def _across(self, data: bytes | bytearray, at: int) -> tuple[int, int] | None:
        for part in self._bytes:
            size = len(part)
            found = data.find(part, max(0, at - size + 1), at + size - 1)
            if found >= 0:
                return found, found + size
        return None


def _parts(secret: str) -> Iterator[str]:
    # Files that secrets come from end in a newline; what is printed often does not.
    whole = secret.strip()
    if whole:
        yield whole
    for line in map(str.strip, whole.split("\n")):
        if len(line) >= LINE_MIN:
            yield line


NO_SECRETS: Final = Secrets()
