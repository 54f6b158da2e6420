"""Changes values and texts a little or a lot, but always in the same way for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final, cast

SCALARS: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, 2**31, 2**53, 2**63, 2**64, -(2**63)),
    *("", " ", "a", "a/b", "#", "..", "/", "%2F", "${{ inputs.x }}", "${{ tasks.a.output }}"),
    *("${{", "a" * 300, "ä→ü😀", "\u202e", "\x7f", "\r\n", "*", "A*", "a -> b", "a:b", "1h", "-5s"),
    *("no new tasks", "only edges A -> *", "sealed", "~", "null", "0x10", "1e999", "NaN"),
)

TOKENS: Final = (
    *(
        b'"',
        b"'",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\\",
        b"\\ud800",
        b"\\u0000",
        b"\x00",
        b"\n",
    ),
    *(
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"&a ",
        b"*a",
        b"<<: *a",
        b"!!x ",
        b"|",
    ),
    *(
        b"- ",
        b": ",
        b"? ",
        b"#",
        b"---\n",
        b"...",
        b"%YAML",
        b"${{",
        b"}}",
        b"NaN",
        b"1e999",
        b"%00",
    ),
    *(b"%2F", b"%", b"&", b"=", b"+", b"-1", b"9" * 40, b"null", b"true", b"\t", b"\r", b"\x85"),
)

LONG: Final = 1_000
"""What is longer is not made longer: the time goes into sorts of cases, not into their size."""

Path = tuple[str | int, ...]


class Mutator:
    """Mutates with the numbers of one generator."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def value(self, value: Any, others: Sequence[Any] = ()) -> Any:
        """Return a JSON value with one to four things in it changed."""
        for _ in range(self.rng.choice((1, 1, 1, 2, 4))):
            value = self._step(value, others)
        return value

    def _step(self, value: Any, others: Sequence[Any]) -> Any:
        paths = list(_paths(value))
        path = self.rng.choice(paths)
        old = _at(value, path)
        match self.rng.randrange(9):
            case 0 | 1:
                new = self.rng.choice(SCALARS)
            case 2 if others:
                other = self.rng.choice(others)
                new = _at(other, self.rng.choice(list(_paths(other))))
            case 3:
                new = _at(value, self.rng.choice(paths))
            case 4:
                new = self._grown(old)
            case 5:
                return _without(value, path)
            case 6 if isinstance(old, str):
                new = self.text(old)
            case 7 if isinstance(old, dict):
                new = self._renamed(cast("dict[str, Any]", old))
            case _:
                new = self._wrapped(old)
        return _with(value, path, new)

    def _grown(self, old: Any) -> Any:
        if isinstance(old, str | list) and len(cast("str | list[Any]", old)) > LONG:
            return self.rng.choice(SCALARS)
        if isinstance(old, list):
            items = cast("list[Any]", old)
            return [*items, *(items or [self.rng.choice(SCALARS)])] * self.rng.choice((1, 2, 20))
        if isinstance(old, dict):
            return {**old, str(self.rng.choice(SCALARS)): self.rng.choice(SCALARS)}
        if isinstance(old, str):
            return old * self.rng.choice((2, 10, 500))
        return self.rng.choice(SCALARS)

    def _renamed(self, old: dict[str, Any]) -> dict[str, Any]:
        names = list(old)
        if not names:
            return {"": None}
        name = self.rng.choice(names)
        new = self.text(name) if self.rng.random() < 0.5 else self.rng.choice(names)
        return {(new if each == name else each): old[each] for each in names}

    def _wrapped(self, old: Any) -> Any:
        for _ in range(self.rng.choice((1, 1, 2, 60))):
            old = [old] if self.rng.random() < 0.5 else {"name": old}
        return old

    def text(self, text: str) -> str:
        """Return a text with a bit of it changed."""
        at = self.rng.randrange(len(text) + 1)
        end = min(len(text), at + self.rng.choice((0, 1, 1, 5)))
        return text[:at] + str(self.rng.choice(SCALARS))[:40] + text[end:]

    def raw(self, raw: bytes) -> bytes:
        """Return bytes with some of them changed."""
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            at = self.rng.randrange(len(raw) + 1)
            end = min(len(raw), at + self.rng.choice((0, 1, 3, 20)))
            match self.rng.randrange(5):
                case 0:
                    raw = raw[:at] + raw[end:]
                case 1:
                    raw = raw[:at] + raw[at:end] * self.rng.choice((2, 3, 50)) + raw[end:]
                case 2:
                    raw = raw[:at] + bytes([self.rng.randrange(256)]) + raw[end:]
                case 3 if self.rng.random() < 0.2:
                    raw = raw[:at]
                case _:
                    raw = raw[:at] + self.rng.choice(TOKENS) + raw[end:]
        return raw


def _paths(value: Any, path: Path = ()) -> Any:
    yield path
    if len(path) > 40:
        return
    if isinstance(value, dict):
        for key, each in cast("dict[str, Any]", value).items():
            yield from _paths(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(cast("list[Any]", value)[:200]):
            yield from _paths(each, (*path, number))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


def _without(value: Any, path: Path) -> Any:
    if not path:
        return value
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = _without(value[path[0]], path[1:])
    return copy
