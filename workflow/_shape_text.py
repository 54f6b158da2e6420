r"""The text of shapes: a recursive-descent parser for the grammar below.

.. code-block:: text

    shape  = alt , [ "where" , word , "=" , alt , { "," , word , "=" , alt } ] ;
    alt    = par , { "|" , par } ;
    par    = seq , { "&" , seq } ;
    seq    = item , { "->" , item } ;
    item   = atom , [ suffix ] | "loop" , "(" , alt , ")" , [ suffix ] ;
    suffix = "*" | "+" | "?" | "{" , int , [ "," , [ int ] ] , "}" ;
    atom   = [ word , "=" ] , ( name | "..." ) | "(" , [ alt ] , ")" ;
    name   = word | '"' , { char | '\"' | '\\' } , '"' ;

A name that `where` defines is replaced by what it stands for, unless it is quoted. What is read is
in normal form, and bounded: in its length, its nesting, and in what the replacing makes of it.
"""

from __future__ import annotations

from typing import NoReturn

from ._promise_tokens import (
    ShapeError as ShapeError,
    Token,
    count,
    did_you_mean,
    error,
    tokenize,
    unexpected,
)
from ._shapes import EMPTY, Lab, Map, Shape, Wild, alt, optional, par, rounds, seq, times

DEPTH_MAX = 100
NODES_MAX = 10_000

_ITEM = 'a task, "(" or "..."'
_SUFFIXES = "*+?"
_DEFINITION = 'a name and "=", as in "where X = A -> B"'


def parse_shape(text: str, *, narrowed: bool = False) -> Shape:
    """Read a shape.

    Args:
        text: What is written.
        narrowed: Whether it is what is left of another shape: then maps may stand in maps, and
            dots, too.

    Raises:
        ShapeError: The text is no shape, or one that is refused; the message says where and why.
    """
    return _Parser(text, narrowed=narrowed).shape()


def _is_many(item: Shape) -> bool:
    """Return whether it is a map of more than one: ``(M?)+`` is none of the refused ones."""
    return isinstance(item, Map) and (item.lo, item.hi) != (0, 1)


class _Parser:
    """One reading of one text; `at` is the token that comes next."""

    def __init__(self, text: str, *, narrowed: bool = False) -> None:
        self.text = text
        self.narrowed = narrowed
        self.tokens = tokenize(text, "shape")
        self.at = 0
        self.depth = 0
        self.nodes = 0
        self.starts: dict[str, Token] = {}  # where each name of `where` is defined
        self.positions: dict[str, int] = {}
        self.resolving: list[str] = []
        self.resolved: dict[str, tuple[Shape, int]] = {}

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def shape(self) -> Shape:
        where = _find_where(self.tokens)
        self._read_names(where)
        shape = self._alt()
        if self.at != where:
            self._refuse_here('"->", "&", "|" or the end')
        for name, token in self.starts.items():
            if name not in self.resolved:
                hint = did_you_mean(name, shape.labels) or "use it or leave it out"
                self._refuse(token, f'found "{name}", which the shape does not use; {hint}')
        return shape

    # -- where ------------------------------------------------------------------------------------

    def _read_names(self, where: int) -> None:
        """Note what `where` defines; each is read when it is first used."""
        at = where
        while self.tokens[at].kind != "end":
            name, sign = self.tokens[at + 1], self.tokens[min(at + 2, len(self.tokens) - 1)]
            if name.kind != "word":
                raise unexpected(self.text, "shape", name, _DEFINITION)
            if not sign.is_sign("="):
                raise unexpected(self.text, "shape", sign, '"="', 'write it as "where X = A -> B"')
            if name.value in self.starts:
                self._refuse(name, f"found {name} defined twice; leave one of the two out")
            self.starts[name.value] = name
            self.positions[name.value] = at = at + 3
            while not (self.tokens[at].is_sign(",") or self.tokens[at].kind == "end"):
                at += 1

    def _resolve(self, token: Token) -> Shape:
        name = token.value
        if name in self.resolving:
            self._refuse_recursion(token)
        if name in self.resolved:
            shape, nodes = self.resolved[name]
            self._count(nodes, token)
            return shape
        back, before = self.at, self.nodes
        self.at = self.positions[name]
        self.resolving.append(name)
        shape = self._nested(token)
        if not (self.next.is_sign(",") or self.next.kind == "end"):
            self._refuse_here('"->", "&", "|", "," or the end')
        self.resolving.pop()
        self.at = back
        self.resolved[name] = shape, self.nodes - before
        return shape

    def _refuse_recursion(self, token: Token) -> NoReturn:
        names = [*self.resolving[self.resolving.index(token.value) :], token.value]
        self._refuse(
            token,
            f"found {token} in what it stands for ({' uses '.join(names)}); "
            'no name can stand for itself, say "loop(...)" for rounds and "*" for many',
        )

    # -- expressions ------------------------------------------------------------------------------

    def _alt(self) -> Shape:
        """Read the three operators at once, which saves two calls for each level of nesting."""
        alternatives: list[Shape] = []
        sides: list[Shape] = []
        steps: list[Shape] = []
        while True:
            steps.append(self._item())
            sign = self._take("->", "&", "|")
            if sign == "->":
                continue
            sides.append(seq(steps))
            steps = []
            if sign == "&":
                continue
            alternatives.append(par(sides))
            sides = []
            if sign is None:
                return alt(alternatives)

    def _item(self) -> Shape:
        start = self.next
        if self._is_loop():
            self.at += 2
            self._count(1, start)
            item = self._closed(start)
            lo, hi = self._bounds() or (1, None)
            shape = rounds(item, lo, hi)
        elif self._take("("):
            item = self._empty(start) if self._take(")") else self._closed(start)
            shape = self._suffixed(item)
        else:
            shape = self._suffixed(self._atom())
        if self.next.is_sign(*_SUFFIXES) or self.next.kind == "times":
            advice = 'write "(M*)?"' if self.next.is_sign("?") else "leave one of the two out"
            self._refuse(self.next, f"found {self.next} after another suffix; {advice}")
        if shape.depth > DEPTH_MAX:
            self._refuse_depth(start)
        return shape

    def _suffixed(self, item: Shape) -> Shape:
        suffix = self.next
        bounds = self._bounds()
        if bounds is None:
            return item
        self._count(1, suffix)
        if isinstance(item, Wild) and not self.narrowed:
            self._refuse(
                suffix,
                f'found {suffix} after "...", which is any number of tasks already; leave it out',
            )
        if suffix.is_sign("?"):
            return optional(item)
        shape = times(item, *bounds)
        if _is_many(item) and isinstance(shape, Map) and not self.narrowed:
            self._refuse(
                suffix,
                f'found {suffix} around "{item}" alone; leave one of the two out, '
                'or say what else belongs to an instance, as in "(fetch -> page*)*"',
            )
        return shape

    def _bounds(self) -> tuple[int, int | None] | None:
        """Read a suffix, if there is one."""
        match self._take(*_SUFFIXES):
            case "*":
                return 0, None
            case "+":
                return 1, None
            case "?":
                return 0, 1
            case _:
                return self._times() if self.next.kind == "times" else None

    def _times(self) -> tuple[int, int | None]:
        token = self.next
        self.at += 1
        least, comma, most = token.source[1:-1].partition(",")
        lo = self._int(least, token)
        hi = self._int(most, token) if most.strip() else None if comma else lo
        if hi is not None and hi < lo:
            advice = f"put the smaller number first, as in {{{hi},{lo}}}"
            raise unexpected(self.text, "shape", token, "a range that rises", advice)
        return lo, hi

    def _int(self, digits: str, token: Token) -> int:
        return count(digits.strip(), self.text, "shape", token.column)

    def _empty(self, start: Token) -> Shape:
        self._count(1, start)
        return EMPTY

    def _atom(self) -> Shape:
        place, token = self._place(), self.next
        if place is not None and (token.is_sign("(") or self._is_loop()):
            self._refuse_place(place, token, "")
        if not (token.is_name or token.is_sign("...")):
            self._refuse_here(_ITEM if place is None else 'a task or "..."')
        self.at += 1
        if token.is_word(*self.starts):
            if place is not None:
                self._refuse_place(place, token, ", which stands for a shape,")
            return self._resolve(token)
        self._count(1, token)
        return Lab(token.value, place) if token.is_name else Wild(place)

    def _place(self) -> str | None:
        word = self.next
        if word.kind == "word" and self.tokens[self.at + 1].is_sign("="):
            self.at += 2
            return word.value
        return None

    def _is_loop(self) -> bool:
        return self.next.is_word("loop") and self.tokens[self.at + 1].is_sign("(")

    def _closed(self, start: Token) -> Shape:
        shape = self._nested(start)
        if not self._take(")"):
            self._refuse_here('"->", "&", "|" or ")"')
        return shape

    def _nested(self, start: Token) -> Shape:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self._refuse_depth(start)
        shape = self._alt()
        self.depth -= 1
        return shape

    def _take(self, *signs: str) -> str | None:
        token = self.next
        if token.is_sign(*signs):
            self.at += 1
            return token.value
        return None

    def _count(self, nodes: int, token: Token) -> None:
        self.nodes += nodes
        if self.nodes > NODES_MAX:
            self._refuse(
                token,
                f"found more than {NODES_MAX:,} tasks, loops and suffixes, a name defined by "
                '"where" counted as what it stands for; promise less at once',
            )

    # -- errors -----------------------------------------------------------------------------------

    def _refuse(self, token: Token, problem: str) -> NoReturn:
        raise error(self.text, "shape", token.column, problem)

    def _refuse_here(self, expected: str) -> NoReturn:
        raise unexpected(self.text, "shape", self.next, expected, self._advice())

    def _refuse_depth(self, token: Token) -> NoReturn:
        self._refuse(
            token, f"found a nesting deeper than {DEPTH_MAX} levels; leave needless parentheses out"
        )

    def _refuse_place(self, place: str, token: Token, which: str) -> NoReturn:
        self._refuse(
            token,
            f'found {token}{which} where "{place}=" names the place of one task; '
            f'write it directly before the task, as in "({place}=M -> N)*"',
        )

    def _advice(self) -> str:
        """Say what to do about the next token, which cannot stand where it is."""
        token = self.next
        before = self.tokens[self.at - 1] if self.at else None
        after_item = before is not None and _ends_item(before)
        if token.is_name and after_item:
            return 'join the two by "->", "&" or "|", or put a name with spaces in quotes'
        match token.value:
            case "," if self.starts:
                return 'put "," only between the definitions of "where"'
            case ",":
                return 'say "->" for one after another and "&" for side by side'
            case ")":
                return "leave it out" if after_item else "put a task before it"
            case "(":
                return 'join the two by "->", "&" or "|"'
            case "=":
                return "name a place by one word, without quotes"
            case "..." if after_item:
                return 'join the two by "->", "&" or "|"'
            case "":
                return "close the parenthesis" if after_item else "say what comes here"
            case _:
                return "leave it out, or put a task before it"


def _find_where(tokens: list[Token]) -> int:
    """Return where the shape itself ends: at the word `where`, or at the end."""
    for at in range(1, len(tokens)):
        if tokens[at].is_word("where") and _ends_item(tokens[at - 1]):
            return at
    return len(tokens) - 1


def _ends_item(token: Token) -> bool:
    return token.is_name or token.kind == "times" or token.is_sign(")", "...", *_SUFFIXES)
