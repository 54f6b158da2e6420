"""What an expression refers to, found by walking its syntax tree; nothing is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from .._frozen import frozen
from ._problems import suggest

ROOTS: Final = ("inputs", "tasks", "holes", "run", "secrets")
"""The names that an expression starts from."""

MACROS: Final = ("all", "exists", "exists_one", "filter", "map")

METHODS: Final = (
    *("contains", "endsWith", "matches", "size", "startsWith"),
    *("getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours"),
    *("getMilliseconds", "getMinutes", "getMonth", "getSeconds"),
)
TYPES: Final = (
    *("bool", "bytes", "double", "duration", "int", "list", "map", "null_type", "string"),
    *("timestamp", "type", "uint"),
)
FUNCTIONS: Final = ("has", "dyn", "size", "matches", *TYPES)

_PASSING: Final = frozenset(
    (
        *("expr", "conditionalor", "conditionaland", "relation", "addition", "multiplication"),
        *("unary", "member", "primary", "paren_expr"),
    )
)
"""Rules of the grammar that, with one child, stand for that child."""


class NameProblem(Exception):
    """An expression uses a name that means nothing, or says it in a way that cannot be checked."""


@frozen
class Reference:
    """A path that an expression follows, as far as it is written out.

    Attributes:
        root: One of :data:`ROOTS`.
        keys: What follows it.
        dotted: Whether the first key stands after a dot, where ``_`` may stand for other signs.
    """

    root: str
    keys: tuple[str, ...] = ()
    dotted: bool = False

    def __str__(self) -> str:
        first, rest = self.keys[:1], self.keys[1:]
        shown = "".join(f".{key}" if self.dotted else f'["{key}"]' for key in first)
        return self.root + shown + "".join(f".{key}" for key in rest)


@attrs.define
class _Path:
    """A path while it is followed; ``whole`` ends where a key is not written out."""

    root: str
    keys: list[str] = attrs.field(factory=list[str])
    dotted: bool = False
    whole: bool = True
    inner: list[Any] = attrs.field(factory=list[Any])


def find_references(tree: Any) -> frozenset[Reference]:
    """Give everything that a syntax tree refers to.

    Raises:
        NameProblem: It uses an unknown name or function.
    """
    return frozenset(_walk(tree, frozenset()))


def sole_reference(tree: Any) -> Reference | None:
    """Give the reference that a syntax tree is, if it is nothing else."""
    path = _path(_unwrap(tree))
    return _reference(path) if path is not None and path.whole else None


def _walk(tree: Any, bound: frozenset[str]) -> Iterator[Reference]:
    tree = _unwrap(tree)
    path = _path(tree)
    if path is not None:
        if path.root not in bound:
            yield _reference(path)
        for inner in path.inner:
            yield from _walk(inner, bound)
    elif tree.data == "member_dot_arg":
        yield from _walk_method(tree, bound)
    else:
        _check_rule(tree)
        for child in _subtrees(tree):
            yield from _walk(child, bound)


def _walk_method(tree: Any, bound: frozenset[str]) -> Iterator[Reference]:
    receiver, name = tree.children[0], str(tree.children[1])
    arguments = _subtrees(tree.children[2]) if len(tree.children) > 2 else []  # noqa: PLR2004
    yield from _walk(receiver, bound)
    if name in MACROS:
        variable = _macro_variable(name, arguments)
        yield from _walk(arguments[1], bound | {variable})
        return
    if name not in METHODS:
        raise NameProblem(f'unknown method "{name}"{suggest(name, (*METHODS, *MACROS))}')
    for argument in arguments:
        yield from _walk(argument, bound)


def _macro_variable(name: str, arguments: list[Any]) -> str:
    path = _path(_unwrap(arguments[0])) if len(arguments) == 2 else None  # noqa: PLR2004
    if path is None or path.keys or path.inner:
        raise NameProblem(f"{name}() takes a variable and an expression, as in {name}(x, x > 1)")
    if path.root in ROOTS:
        raise NameProblem(f'"{path.root}" has a meaning already; name the variable of {name}() x')
    return path.root


def _check_rule(tree: Any) -> None:
    match tree.data:
        case "ident_arg":
            name = str(tree.children[0])
            if name not in FUNCTIONS:
                raise NameProblem(f'unknown function "{name}"{suggest(name, FUNCTIONS)}')
        case "member_object" | "dot_ident" | "dot_ident_arg":
            raise NameProblem("messages and names that begin with a dot are not used here")
        case _:
            pass


def _reference(path: _Path) -> Reference:
    if path.root not in ROOTS:
        if path.root in TYPES and not path.keys:
            return Reference("")
        raise NameProblem(f'unknown name "{path.root}"{suggest(path.root, ROOTS)}')
    return Reference(path.root, tuple(path.keys), path.dotted)


def _path(tree: Any) -> _Path | None:
    """Give the path that a tree is, if it begins with a name."""
    match tree.data:
        case "ident":
            return _Path(str(tree.children[0]))
        case "member_dot":
            path = _path(_unwrap(tree.children[0]))
            return path and _longer(path, str(tree.children[1]), dotted=True)
        case "member_index":
            path = _path(_unwrap(tree.children[0]))
            index = _unwrap(tree.children[1])
            if path is None:
                return None
            if index.data == "literal" and index.children[0].type in ("STRING_LIT", "MLSTRING_LIT"):
                return _longer(path, _text(index.children[0]), dotted=False)
            path.whole = False
            path.inner.append(index)
            return path
        case _:
            return None


def _longer(path: _Path, key: str, *, dotted: bool) -> _Path:
    if path.whole:
        path.dotted = dotted if not path.keys else path.dotted
        path.keys.append(key)
    return path


def _unwrap(tree: Any) -> Any:
    while tree.data in _PASSING and len(tree.children) == 1:
        tree = tree.children[0]
    return tree


def _subtrees(tree: Any) -> list[Any]:
    return [child for child in tree.children if hasattr(child, "data")]


def _text(token: Any) -> str:
    from celpy.evaluation import celstr

    return str(celstr(token))


def depth(tree: Any) -> int:
    """Count how deep a syntax tree is, without recursion."""
    deepest, open_trees = 0, [(tree, 1)]
    while open_trees:
        current, level = open_trees.pop()
        deepest = max(deepest, level)
        open_trees.extend((child, level + 1) for child in _subtrees(current))
    return deepest
