"""What is written down: shapes and guards as text, read the plain way.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import chain, count

import attrs

TOKEN = re.compile(r'\s*(->|\.\.\.|"(?:[^"\\]|\\.)*"|[A-Za-z0-9_]+(?:[-.][A-Za-z0-9_]+)*|[^\s])')
GUARDS = ("no", "only", "at", "exactly", "sealed", "closed")


class Misread(ValueError):
    """The text is no promise."""


@attrs.frozen(cache_hash=True)
class Lab:
    """One task. `key` is the name of its place (see `keyed`), `named` if the text gives it."""

    name: str
    key: str = ""
    named: bool = False


@attrs.frozen(cache_hash=True)
class Row:
    """All of the items: side by side, or one after the other. `()` is the empty row."""

    items: tuple[Shape, ...]
    beside: bool = False


@attrs.frozen(cache_hash=True)
class Alt:
    """Exactly one of the options."""

    options: tuple[Shape, ...]


@attrs.frozen(cache_hash=True)
class Times:
    """The body again and again: a map (side by side) or a loop. No `high` is no limit."""

    body: Shape
    low: int
    high: int | None
    beside: bool = True
    key: str = ""


@attrs.frozen(cache_hash=True)
class Dots:
    """`...`: anything at all."""

    key: str = "any"


Shape = Lab | Row | Alt | Times | Dots


class Reader:
    """A parser by recursive descent; one method for each line of the grammar."""

    def __init__(self, text: str, *, left: bool = False) -> None:
        # What is left of a shape, as pictures show it, may have a map or dots in a map.
        self.left = left
        self.tokens: list[str] = TOKEN.findall(text)
        self.at = 0

    def peek(self) -> str:
        """Return the next token, or nothing at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *expected: str) -> str:
        """Go past the next token, which must be one of those named."""
        token = self.peek()
        if not token or (expected and token not in expected):
            raise Misread(f"{token!r} where {expected or 'more'} should stand")
        self.at += 1
        return token

    def given(self, token: str) -> bool:
        """Go past a token if it stands here."""
        if self.peek() != token:
            return False
        self.at += 1
        return True

    def name(self) -> str:
        """Read a word, or what stands in quotes."""
        token = self.take()
        if token.startswith('"'):
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if not re.match(r"\w", token):
            raise Misread(f"{token!r} is no name")
        return token

    def shape(self) -> Shape:
        """Read a whole shape with what its `where` defines."""
        main = self.alt()
        meanings: dict[str, Shape] = {}
        while self.given("where") or (meanings and self.given(",")):
            word = self.name()
            self.take("=")
            meanings[word] = self.alt()
        if self.peek():
            raise Misread(f"{self.peek()!r} is left over")
        return substituted(main, meanings)

    def alt(self) -> Shape:
        """Read `par | par | …`."""
        options = [self.par()]
        while self.given("|"):
            options.append(self.par())
        return options[0] if len(options) == 1 else Alt(tuple(options))

    def par(self) -> Shape:
        """Read `seq & seq & …`."""
        items = [self.seq()]
        while self.given("&"):
            items.append(self.seq())
        return items[0] if len(items) == 1 else Row(tuple(items), beside=True)

    def seq(self) -> Shape:
        """Read `item -> item -> …`."""
        items = [self.item()]
        while self.given("->"):
            items.append(self.item())
        return items[0] if len(items) == 1 else Row(tuple(items))

    def item(self) -> Shape:
        """Read an atom or a loop with its suffix."""
        if self.peek() == "loop" and self.tokens[self.at + 1 : self.at + 2] == ["("]:
            self.take()
            self.take("(")
            body = self.alt()
            self.take(")")
            low, high = self.suffix() or (1, None)
            return Times(body, low, high, beside=False)
        atom = self.atom()
        bounds = self.suffix()
        if bounds is None:
            return atom
        if not self.left and (isinstance(atom, Dots) or (is_map(atom) and bounds != (0, 1))):
            raise Misread("`...` takes no suffix, and no map stands directly inside a map")
        return Times(atom, *bounds)

    def suffix(self) -> tuple[int, int | None] | None:
        """Read how often."""
        if self.peek() not in ("*", "+", "?", "{"):
            return None
        sign = self.take()
        if sign != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        low = int(self.take())
        high: int | None = low
        if self.given(","):
            high = None if self.peek() == "}" else int(self.take())
        self.take("}")
        if high is not None and high < low:
            raise Misread("more at least than at most")
        return low, high

    def atom(self) -> Shape:
        """Read a name, `...`, or a group."""
        if self.given("..."):
            return Dots()
        if self.given("("):
            inner = Row(()) if self.peek() == ")" else self.alt()
            self.take(")")
            return inner
        name = self.name()
        return Lab(self.name(), key=name, named=True) if self.given("=") else Lab(name)


def is_map(shape: Shape) -> bool:
    """Tell whether a shape is a map; `?` is an optional and a loop is a loop."""
    return isinstance(shape, Times) and shape.beside and (shape.low, shape.high) != (0, 1)


def substituted(shape: Shape, meanings: dict[str, Shape]) -> Shape:
    """Put what `where` defines in the place of its names."""
    match shape:
        case Lab(name=name) if name in meanings:
            return meanings[name]
        case Row(items=items):
            return attrs.evolve(shape, items=tuple(substituted(each, meanings) for each in items))
        case Alt(options=options):
            return Alt(tuple(substituted(each, meanings) for each in options))
        case Times(body=body):
            return attrs.evolve(shape, body=substituted(body, meanings))
        case _:
            return shape


def read_shape(text: str, *, left: bool = False) -> Shape:
    """Parse a shape."""
    return keyed(Reader(text, left=left).shape(), set())


def keyed(shape: Shape, taken: set[str]) -> Shape:
    """Name every part: by its first name in the text, numbered where that is taken.

    The instances of a map and the rounds of a loop have names of their own.
    """
    match shape:
        case Lab(name=name, key=key, named=named):
            return Lab(name, unused(key or name, taken), named)
        case Dots():
            return Dots(unused("any", taken))
        case Row(items=items):
            return attrs.evolve(shape, items=tuple(keyed(each, taken) for each in items))
        case Alt(options=options):
            return Alt(tuple(keyed(each, taken) for each in options))
        case Times(body=body):
            body = keyed(body, set())
            return attrs.evolve(shape, body=body, key=unused(first_name(body), taken))


def unused(name: str, taken: set[str]) -> str:
    """Number a name that is taken, and take it."""
    numbered = (f"{name}-{number}" for number in count(2))
    free = next(each for each in chain([name], numbered) if each not in taken)
    taken.add(free)
    return free


def places(shape: Shape, depth: int = 0) -> Iterator[tuple[Lab | Dots, int]]:
    """Go through the names and dots of a shape, each with how many maps and loops it is in."""
    match shape:
        case Row(items=inside) | Alt(options=inside):
            for each in inside:
                yield from places(each, depth)
        case Times(body=body):
            yield from places(body, depth + 1)
        case _:
            yield shape, depth


def confused(shapes: Iterable[Shape]) -> list[str]:
    """Return the labels that could never be placed without an address, and have none."""
    found: dict[tuple[str, int], list[bool]] = {}
    for shape in shapes:
        for place, depth in places(shape):
            if isinstance(place, Lab):
                found.setdefault((place.name, depth), []).append(place.named)
    return [label for (label, _), named in found.items() if len(named) > 1 and not all(named)]


def first_name(shape: Shape) -> str:
    """Return what a part is called after: the first place in it; nothing if it is empty."""
    for place, _ in places(shape):
        return place.key
    return ""


def first_label(shape: Shape) -> str:
    """Return the first label in a shape, or `any` for dots."""
    for place, _ in places(shape):
        return place.name if isinstance(place, Lab) else "any"
    return ""


@attrs.frozen(cache_hash=True)
class Count:
    """So many tasks with a matching label the finished run has."""

    glob: str
    low: int
    high: int | None
    scope: str | None = None


@attrs.frozen(cache_hash=True)
class Only:
    """Whatever is still created matches one of these."""

    globs: tuple[str, ...]
    scope: str | None = None


@attrs.frozen(cache_hash=True)
class Edges:
    """Edges named by commands must match one of these pairs, or (`forbid`) none of them."""

    pairs: tuple[tuple[str, str], ...]
    forbid: bool
    scope: str | None = None


@attrs.frozen(cache_hash=True)
class Closed:
    """Nothing is created except into declared holes."""

    scope: str | None = None


Guard = Count | Only | Edges | Closed


def matches(glob: str, label: str) -> bool:
    """Tell whether a pattern fits a label."""
    return glob in ("*", label) or fnmatchcase(label, glob)


def is_guard(text: str) -> bool:
    """Tell a guard from a shape by its first word."""
    return text.split(maxsplit=1)[0] in GUARDS


@functools.lru_cache(maxsize=1_000)
def read_guard(text: str) -> tuple[Guard, ...]:
    """Parse a guard. "No …" has the upper end -1, which stands for the present count."""
    words = [token.strip('"') for token in re.findall(r'"[^"]*"|->|,|[^\s,"]+', text)]
    scope = None
    if len(words) > 2 and words[-2] == "by":
        scope, words = words[-1], words[:-2]
    match words:
        case ["sealed"]:
            return Count("*", 0, -1, scope), Edges((), forbid=False, scope=scope)
        case ["closed"]:
            return (Closed(scope),)
        case ["at", "most", _, "rounds", "of", _]:
            return ()  # nothing is started anew here
        case ["only", "tasks", *globs]:
            return (Only(tuple(globs[::2]), scope),)
        case ["at", "most", number, what]:
            return (Count(_glob(what), 0, int(number), scope),)
        case ["at", "least", number, name]:
            return (Count(name, int(number), None, scope),)
        case ["exactly", number, name]:
            return (Count(name, int(number), int(number), scope),)
        case ["no", "new", what] if what != "edges":
            return (Count(_glob(what), 0, -1, scope),)
        case _:
            return (_read_edges(words, scope),)


def _read_edges(words: list[str], scope: str | None) -> Edges:
    match words:
        case ["no", "new", "edges"]:
            return Edges((), forbid=False, scope=scope)
        case ["no", "edges", "from", glob]:
            return Edges(((glob, "*"),), forbid=True, scope=scope)
        case ["no", "edges", "into", glob]:
            return Edges((("*", glob),), forbid=True, scope=scope)
        case ["only", "edges", *rest]:
            pairs = tuple(zip(rest[::4], rest[2::4], strict=True))
            return Edges(pairs, forbid=False, scope=scope)
        case _:
            raise Misread(f"no guard: {' '.join(words)}")


def _glob(what: str) -> str:
    return "*" if what == "tasks" else what
