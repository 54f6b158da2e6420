"""``${{ … }}``: expressions over inputs, outputs, the run and secrets, bound when a task starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import attrs

from ._cel_names import NameProblem, Reference, depth, find_references, sole_reference
from ._guards import is_array, is_object
from ._nodes import shorten
from ._scope import ExpressionError, Scope, follow, gather
from ._template import OPENING, Code, Piece, TemplateProblem, split

if TYPE_CHECKING:
    from ._cel_evaluator import Cel

TEXT_MAX: Final = 16 * 1024
DEPTH_MAX: Final = 150
PROGRAMS_MAX: Final = 10_000


@attrs.frozen(eq=False)
class _Program:
    """One expression, parsed.

    Attributes:
        sole: The one reference that it is, if it is nothing else.
    """

    text: str
    tree: Any
    references: frozenset[Reference]
    sole: Reference | None


@attrs.define(eq=False)
class Expressions:
    """Binds values with expressions in them; keeps what it has parsed."""

    _language: Cel | None = attrs.field(default=None, init=False)
    _programs: dict[str, _Program] = attrs.field(factory=dict[str, _Program], init=False)

    def bind(self, value: Any, scope: Scope) -> Any:
        """Give a JSON value with every expression in it evaluated.

        A text that is one expression becomes what that gives, of whatever type; inside a longer
        text it becomes text, and JSON where it gives anything else.

        Raises:
            ExpressionError: One of them is wrong, or cannot be evaluated.
        """
        match value:
            case str() if OPENING in value:
                return self._bind_text(value, scope)
            case _ if is_object(value):
                return {key: self.bind(each, scope) for key, each in value.items()}
            case _ if is_array(value):
                return [self.bind(each, scope) for each in value]
            case _:
                return value

    def condition(self, text: str, scope: Scope) -> bool:
        """Say whether a condition holds; it is written with or without ``${{ }}``.

        Raises:
            ExpressionError: It is wrong, cannot be evaluated, or is neither true nor false.
        """
        code = condition_code(text)
        result = self._evaluate(code, scope)
        if isinstance(result, bool):
            return result
        raise ExpressionError(
            f"the condition {_shown(code)} gives {_shown_value(result)}; it must be true or false"
        )

    def references(self, value: Any) -> frozenset[Reference]:
        """Give everything that the expressions in a JSON value refer to.

        Raises:
            ExpressionError: One of them is wrong.
        """
        found = (self.program(code).references for code in codes_in(value))
        return frozenset[Reference]().union(*found)

    def secrets(self, value: Any) -> frozenset[str]:
        """Give the names of the secrets that the expressions in a JSON value use."""
        return frozenset(
            ref.keys[0] for ref in self.references(value) if ref.root == "secrets" and ref.keys
        )

    def program(self, code: str) -> _Program:
        """Parse an expression, once.

        Raises:
            ExpressionError: It is wrong.
        """
        known = self._programs.get(code)
        if known is None:
            if len(self._programs) >= PROGRAMS_MAX:
                self._programs.clear()
            known = self._programs[code] = self._parse(code)
        return known

    def _parse(self, code: str) -> _Program:
        if len(code.encode()) > TEXT_MAX:
            raise ExpressionError(f"an expression is at most {TEXT_MAX // 1024} KiB long")
        from ._cel_evaluator import CelProblem

        try:
            tree = self.language.parse(code)
            if depth(tree) > DEPTH_MAX:
                raise CelProblem("it is nested too deeply; do part of it in a task")
            references = find_references(tree)
            return _Program(code, tree, references - {Reference("")}, sole_reference(tree))
        except (CelProblem, NameProblem) as problem:
            raise ExpressionError(f"the expression {_shown(code)} is wrong: {problem}") from None

    @property
    def language(self) -> Cel:
        """The language, loaded with the first expression."""
        if self._language is None:
            from ._cel_evaluator import Cel

            self._language = Cel()
        return self._language

    def _bind_text(self, text: str, scope: Scope) -> Any:
        pieces = pieces_of(text)
        if len(pieces) == 1 and isinstance(pieces[0], Code):
            return self._evaluate(pieces[0].text, scope)
        return "".join(
            _as_text(self._evaluate(piece.text, scope)) if isinstance(piece, Code) else piece
            for piece in pieces
        )

    def _evaluate(self, code: str, scope: Scope) -> Any:
        from ._cel_evaluator import CelProblem

        program = self.program(code)
        variables = gather(program.references, scope)
        if program.sole is not None:
            return follow(program.sole, variables)
        try:
            return self.language.evaluate(program.tree, variables)
        except CelProblem as problem:
            message = f"the expression {_shown(code)} cannot be evaluated: {problem}"
            raise ExpressionError(message) from None


def codes_in(value: Any) -> Iterator[str]:
    """Give the expressions in a JSON value."""
    match value:
        case str() if OPENING in value:
            yield from (piece.text for piece in pieces_of(value) if isinstance(piece, Code))
        case _ if is_object(value):
            for each in value.values():
                yield from codes_in(each)
        case _ if is_array(value):
            for each in value:
                yield from codes_in(each)
        case _:
            pass


def condition_code(text: str) -> str:
    """Give a condition without its ``${{ }}``.

    Raises:
        ExpressionError: Something stands around the ``${{ }}``.
    """
    if OPENING not in text:
        return text.strip()
    pieces = pieces_of(text)
    if len(pieces) == 1 and isinstance(pieces[0], Code):
        return pieces[0].text
    raise ExpressionError("a condition is one expression, with nothing around its ${{ }}")


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Take a text apart at its expressions.

    Raises:
        ExpressionError: One of them has no end.
    """
    try:
        return split(text)
    except TemplateProblem as problem:
        raise ExpressionError(f"{problem}: {_shown(text)}") from None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(code: str) -> str:
    return f"`{shorten(code)}`"


def _shown_value(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False))
