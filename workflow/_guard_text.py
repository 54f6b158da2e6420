"""Guards: what a promise says of numbers and names, as data and as text.

A text is a guard if it begins with one of the words `no`, `only`, `at`, `exactly`, `sealed` and
`closed` (a task of that name is quoted), and a shape otherwise:

.. code-block:: text

    guard = ( "sealed" | "closed" | "no new" , ( "tasks" | "edges" | "looks" | glob )
            | "no edges" , ( "from" | "into" ) , glob
            | "only tasks" , glob , { "," , glob }
            | "only edges" , glob , "->" , glob , { "," , glob , "->" , glob }
            | "at most" , int , ( glob | "tasks" | "rounds of" , name )
            | ( "at least" | "exactly" ) , int , name ) , [ "by" , name ] ;

In a glob `*` stands for any characters, also inside quotes; every other sign is itself.
"""

from __future__ import annotations

import re
from typing import NoReturn, TypeAlias

import attrs

from .._frozen import frozen
from ._errors import UsageError
from ._promise_tokens import (
    GUARD_WORDS,
    ShapeError,
    Token,
    count,
    did_you_mean,
    error,
    first_word,
    guard_name,
    tokenize,
    unexpected,
)
from ._shape_text import parse_shape
from ._shapes import Shape

ANY = "*"


@frozen
class TaskGuard:
    """How many tasks with a matching label the finished run has: `no new M`, `at most 5 M`.

    Attributes:
        pattern: A name or a glob; `*` for all tasks.
        no_new: The upper end is how many there are when it is said; then `lo` and `hi` are None.
        by: The task for whose creations, and what those create, it holds; None for all.
    """

    pattern: str
    lo: int | None = None
    hi: int | None = None
    no_new: bool = False
    by: str | None = None

    def __attrs_post_init__(self) -> None:
        said = self.no_new, self.lo is not None, self.hi is not None
        exact = said == (False, True, True) and self.lo == self.hi
        if not exact and said.count(True) != 1:
            raise UsageError(
                f"a guard on {self.pattern!r} has lo={self.lo}, hi={self.hi}, "
                f"no_new={self.no_new}; give no_new, lo or hi alone, or lo and hi equal"
            )
        if self.lo is not None and ANY in self.pattern:
            raise UsageError(
                f'"at least" and "exactly" count the tasks of one label, not {self.pattern!r}; '
                "name the label in full"
            )

    def __str__(self) -> str:
        many = "tasks" if self.pattern == ANY else guard_name(self.pattern)
        match self.lo, self.hi:
            case None, None:
                return f"no new {many}{_by(self.by)}"
            case None, hi:
                return f"at most {hi} {many}{_by(self.by)}"
            case lo, None:
                return f"at least {lo} {many}{_by(self.by)}"
            case lo, _:
                return f"exactly {lo} {many}{_by(self.by)}"


@frozen
class OnlyTasks:
    """What is still created has a label that matches one of these: `only tasks A, B*`."""

    patterns: tuple[str, ...]
    by: str | None = None

    def __str__(self) -> str:
        return f"only tasks {', '.join(map(guard_name, self.patterns))}{_by(self.by)}"


@frozen
class EdgeGuard:
    """No more edges between labels that match: `no new edges`, `no edges from A`, `… into B`."""

    source: str = ANY
    target: str = ANY
    by: str | None = None

    def __attrs_post_init__(self) -> None:
        if ANY not in (self.source, self.target):
            raise UsageError(
                f"a guard on edges names one end, not {self.source!r} and {self.target!r}; "
                'leave one of them "*"'
            )

    def __str__(self) -> str:
        if self.source != ANY:
            return f"no edges from {guard_name(self.source)}{_by(self.by)}"
        if self.target != ANY:
            return f"no edges into {guard_name(self.target)}{_by(self.by)}"
        return f"no new edges{_by(self.by)}"


@frozen
class OnlyEdges:
    """What edges are still added match one of these: `only edges A -> *, * -> B`."""

    pairs: tuple[tuple[str, str], ...]
    by: str | None = None

    def __str__(self) -> str:
        pairs = [f"{guard_name(source)} -> {guard_name(target)}" for source, target in self.pairs]
        return f"only edges {', '.join(pairs)}{_by(self.by)}"


@frozen
class Rounds:
    """How often a task may be started anew by `again`: `at most 5 rounds of T`."""

    task: str
    hi: int
    by: str | None = None

    def __str__(self) -> str:
        return f"at most {self.hi} rounds of {guard_name(self.task)}{_by(self.by)}"


@frozen
class Sealed:
    """No more tasks and no more edges: `sealed`."""

    by: str | None = None

    def __str__(self) -> str:
        return f"sealed{_by(self.by)}"


@frozen
class Closed:
    """Nothing is created except into declared holes: `closed`."""

    by: str | None = None

    def __str__(self) -> str:
        return f"closed{_by(self.by)}"


@frozen
class Looks:
    """Nothing looks different any more: `no new looks`."""

    by: str | None = None

    def __str__(self) -> str:
        return f"no new looks{_by(self.by)}"


GuardSpec: TypeAlias = (
    TaskGuard | OnlyTasks | EdgeGuard | OnlyEdges | Rounds | Sealed | Closed | Looks
)


def parse_promise(text: str) -> GuardSpec | Shape:
    """Read the text of a promise.

    Raises:
        ShapeError: It is neither a guard nor a shape; the message says where and why.
    """
    word = first_word(text)
    if word in GUARD_WORDS and not text.strip()[len(word) :].lstrip().startswith("="):
        return _Parser(text).guard()
    try:
        return parse_shape(text)
    except ShapeError as problem:
        # With a slip of the pen in its first word a guard reads as a shape, up to the second.
        hint = _meant(text)
        if not hint:
            raise
        raise ShapeError(f"{problem}; {hint}", text=text, column=problem.column) from None


def matches(pattern: str, label: str) -> bool:
    """Tell whether a label matches a name or a glob, in time linear in both."""
    start, *middle = pattern.split(ANY)
    if not middle:
        return pattern == label
    end = middle.pop()
    stop = len(label) - len(end)
    if not (label.startswith(start) and label.endswith(end) and len(start) <= stop):
        return False
    at = len(start)
    for part in middle:
        found = label.find(part, at, stop)
        if found < 0:
            return False
        at = found + len(part)
    return True


class _Parser:
    """One reading of one guard."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text, "promise")
        self.at = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def guard(self) -> GuardSpec:
        guard = self._bare()
        if self.next.kind == "end":
            return guard
        if not self.next.is_word("by"):
            self._refuse_end()
        self.at += 1
        guard = attrs.evolve(guard, by=self._name("the id of a task"))
        if self.next.kind != "end":
            self._refuse_end()
        return guard

    def _bare(self) -> GuardSpec:
        match self._word(*sorted(GUARD_WORDS)):
            case "sealed":
                return Sealed()
            case "closed":
                return Closed()
            case "no":
                return self._new() if self._word("new", "edges") == "new" else self._edges()
            case "only":
                return self._only()
            case "at":
                return self._most() if self._word("most", "least") == "most" else self._least()
            case _:
                number, label = self._exact()
                return TaskGuard(label, lo=number, hi=number)

    def _new(self) -> GuardSpec:
        if self._take_word("edges"):
            return EdgeGuard()
        if self._take_word("looks"):
            return Looks()
        return TaskGuard(self._many('"tasks", "edges", "looks" or a label'), no_new=True)

    def _edges(self) -> EdgeGuard:
        if self._word("from", "into") == "from":
            return EdgeGuard(source=self._glob())
        return EdgeGuard(target=self._glob())

    def _only(self) -> GuardSpec:
        if self._word("tasks", "edges") == "tasks":
            patterns = [self._glob()]
            while self._take_sign(","):
                patterns.append(self._glob())
            return OnlyTasks(tuple(patterns))
        pairs = [self._pair()]
        while self._take_sign(","):
            pairs.append(self._pair())
        return OnlyEdges(tuple(pairs))

    def _pair(self) -> tuple[str, str]:
        source = self._glob()
        if not self._take_sign("->"):
            raise unexpected(
                self.text, "promise", self.next, '"->"', 'name both ends, as in "A -> *"'
            )
        return source, self._glob()

    def _most(self) -> GuardSpec:
        number = self._number()
        if self.next.is_word("rounds") and self.tokens[self.at + 1].is_word("of"):
            self.at += 2
            return Rounds(self._name("the id of a task"), number)
        return TaskGuard(self._many('"tasks", "rounds of" or a label'), hi=number)

    def _least(self) -> TaskGuard:
        number, label = self._exact()
        return TaskGuard(label, lo=number)

    def _exact(self) -> tuple[int, str]:
        """Read what a lower bound takes: a number and one label."""
        number, token = self._number(), self.next
        label = self._name("a label")
        if ANY in label or token.is_word("tasks"):
            problem = f'found {token}, expected one label, as "at least" and "exactly" take no glob'
            advice = "name the label in full" if ANY in label else "put the label in quotes"
            raise error(self.text, "promise", token.column, f"{problem}; {advice}")
        return number, label

    def _number(self) -> int:
        token = self.next
        if not (token.kind == "word" and token.value.isascii() and token.value.isdigit()):
            raise unexpected(
                self.text, "promise", token, "a number", 'write digits, as in "at most 5 M"'
            )
        self.at += 1
        return count(token.value, self.text, "promise", token.column)

    def _many(self, expected: str) -> str:
        """Read a pattern, or the word for all tasks."""
        return ANY if self._take_word("tasks") else self._glob(expected)

    def _glob(self, expected: str = "a label, or a glob such as M*") -> str:
        return self._name(expected)

    def _name(self, expected: str) -> str:
        token = self.next
        if not token.is_name:
            raise unexpected(self.text, "promise", token, expected)
        self.at += 1
        return token.value

    def _word(self, *words: str) -> str:
        token = self.next
        if not token.is_word(*words):
            *others, last = (f'"{word}"' for word in words)
            meant = did_you_mean(token.value, words) if token.kind == "word" else ""
            quoting = f'put a task named "{self.tokens[0].value}" in quotes'
            expected = f"{', '.join(others)} or {last}"
            raise unexpected(self.text, "promise", token, expected, meant or quoting)
        self.at += 1
        return token.value

    def _take_word(self, word: str) -> bool:
        found = self.next.is_word(word)
        self.at += found
        return found

    def _take_sign(self, sign: str) -> bool:
        found = self.next.is_sign(sign)
        self.at += found
        return found

    def _refuse_end(self) -> NoReturn:
        advice = "say each promise by itself, and put a name with spaces or signs in quotes"
        expected = '"by" or the end'
        raise unexpected(self.text, "promise", self.next, expected, advice)


def _meant(text: str) -> str:
    """Ask for the guard's word that is nearest to the first of two words."""
    words = re.match(r"\s*(\w{2,})\s+\w", text)
    return did_you_mean(words[1], GUARD_WORDS) if words else ""


def _by(task: str | None) -> str:
    return "" if task is None else f" by {guard_name(task)}"
