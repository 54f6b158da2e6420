"""The words of promises and shapes: reading them, writing them, and saying where they went wrong.

Shapes and guards differ in one thing only: in a guard `*` belongs to the word it stands in, as
other characters that a name may have there; in a shape it is a suffix.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Literal

from .._frozen import frozen
from ._errors import UsageError

TEXT_LENGTH_MAX = 64 * 1024
COUNT_DIGITS_MAX = 9
GUARD_WORDS = frozenset({"no", "only", "at", "exactly", "sealed", "closed"})
SHOWN_MAX = 80

_WORD = re.compile(r"[^\W_](?:\w|[-.](?=\w))*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SHAPE = re.compile(
    rf"""(?P<word>{_WORD.pattern}) | (?P<quoted>{_QUOTED})
    | (?P<times>\{{\s*[0-9]+\s*(?:,\s*[0-9]*\s*)?\}}) | (?P<sign>->|\.\.\.|[()|&=,*+?])""",
    re.VERBOSE | re.DOTALL,
)
_GUARD = re.compile(
    rf"""(?P<word>(?:[^\W_]|\*)(?:[\w*]|[-.](?=[\w*]))*) | (?P<quoted>{_QUOTED})
    | (?P<sign>->|,)""",
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s*")
_ESCAPED = re.compile(r'\\(["\\])')

Kind = Literal["shape", "promise"]


class ShapeError(UsageError):
    """The text of a promise or a shape cannot be read; `column` counts from 1."""

    def __init__(self, message: str, *, text: str, column: int) -> None:
        super().__init__(message)
        self.text = text
        self.column = column


@frozen
class Token:
    """A piece of the text: `source` as written, `value` without its quotes."""

    kind: str  # word, quoted, times, sign or end
    source: str
    value: str
    column: int

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end"
        return shortened(self.source if self.kind == "quoted" else f'"{self.source}"')

    @property
    def is_name(self) -> bool:
        return self.kind in ("word", "quoted")

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.value in words

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.value in signs


def tokenize(text: str, kind: Kind) -> list[Token]:
    """Cut a text into tokens, with one of the kind "end" as the last.

    Raises:
        ShapeError: It is too long, or something in it belongs to no token.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise ShapeError(
            f"a {kind} of {len(text):,} characters is too long: at most {TEXT_LENGTH_MAX:,}; "
            "promise less at once",
            text=text,
            column=TEXT_LENGTH_MAX + 1,
        )
    pattern = _SHAPE if kind == "shape" else _GUARD
    tokens: list[Token] = []
    at = _skip_space(text, 0)
    while at < len(text):
        found = pattern.match(text, at)
        if found is None:
            raise error(text, kind, at + 1, f"found {_unknown(text, at, kind)}")
        tokens.append(_token(found, text, kind))
        at = _skip_space(text, found.end())
    return [*tokens, Token("end", "", "", len(text) + 1)]


def first_word(text: str) -> str | None:
    """Return the word that a text begins with, if it begins with one."""
    found = _WORD.match(text, _skip_space(text, 0))
    return found and found.group()


def count(digits: str, text: str, kind: Kind, column: int) -> int:
    """Read a number of tasks."""
    if len(digits.lstrip("0")) > COUNT_DIGITS_MAX:
        problem = f"found a number of more than {COUNT_DIGITS_MAX} digits; promise fewer"
        raise error(text, kind, column, problem)
    return int(digits)


def error(text: str, kind: Kind, column: int, problem: str) -> ShapeError:
    """Make the error that shows a text, the column in it, and what is wrong there."""
    shown = f"{kind} {_excerpt(text, column - 1)}, column {column}: {problem}"
    return ShapeError(shown, text=text, column=column)


def unexpected(text: str, kind: Kind, token: Token, expected: str, advice: str = "") -> ShapeError:
    """Make the error for a token that cannot stand where it stands."""
    problem = f"found {token}, expected {expected}" + (f"; {advice}" if advice else "")
    return error(text, kind, token.column, problem)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Ask for the nearest known word, or for nothing."""
    folded = {each.casefold(): each for each in sorted(known)}
    near = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f'did you mean "{folded[near[0]]}"?' if near else ""


def shortened(text: str) -> str:
    """Cut off what is too long for a message."""
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def shape_name(name: str) -> str:
    """Write a label as it stands in a shape."""
    return _quoted_unless(name, _WORD.fullmatch(name) and name not in GUARD_WORDS | {"where"})


def guard_name(name: str) -> str:
    """Write a label, a pattern or an id as it stands in a guard."""
    found = _GUARD.fullmatch(name)
    reserved = GUARD_WORDS | {"tasks", "edges", "looks", "rounds", "by"}
    return _quoted_unless(name, found and found.lastgroup == "word" and name not in reserved)


def _quoted_unless(name: str, bare: object) -> str:
    if bare:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _token(found: re.Match[str], text: str, kind: Kind) -> Token:
    source = value = found.group()
    if found.lastgroup == "quoted":
        # Before any other character a backslash is one, as in the path of a file.
        value = _ESCAPED.sub(r"\1", source[1:-1])
        if not value:
            raise error(text, kind, found.start() + 1, 'found "", which names nothing')
    return Token(found.lastgroup or "", source, value, found.start() + 1)


def _unknown(text: str, at: int, kind: Kind) -> str:
    match text[at]:
        case '"':
            return "a name in quotes that does not end; add the closing quote"
        case "{" if kind == "shape":
            return '"{", which begins no count; write {2}, {2,} or {2,5}'
        case "-" | "=" | ">" | "–" | "→" as sign:
            return f'"{sign}", which is no arrow; write "->", or put a name with signs in quotes'
        case sign:
            return f'"{sign}", which means nothing here; put a name with signs in quotes'


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _excerpt(text: str, at: int) -> str:
    """Return what stands around a place, on one line."""
    line = re.sub(r"\s", " ", text)
    start = 0 if len(line) <= SHOWN_MAX else max(0, min(at, len(line)) - SHOWN_MAX // 2)
    end = start + SHOWN_MAX
    return f"'{'…' * (start > 0)}{line[start:end]}{'…' * (end < len(line))}'"
