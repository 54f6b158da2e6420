"""``${{ … }}``: expressions over inputs, outputs, the run and secrets, bound when a task starts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..workflow import UsageError
from ._cel_names import NameProblem, Reference, depth, find_references, sole_reference
from ._guards import is_array, is_object
from ._nodes import shorten
from ._template import OPENING, Code, Piece, TemplateProblem, split

if TYPE_CHECKING:
    from ._cel_evaluator import Cel

TEXT_MAX: Final = 16 * 1024
DEPTH_MAX: Final = 150
PROGRAMS_MAX: Final = 10_000


class ExpressionError(UsageError):
    """An expression is wrong, or cannot be evaluated with the values that it met."""


def no_secrets(name: str) -> str | None:  # noqa: ARG001 - a source of secrets takes their names
    """Know no secret."""
    return None


@attrs.frozen(kw_only=True)
class Scope:
    """What expressions may name.

    Attributes:
        inputs: The inputs of the run.
        tasks: The outputs of the tasks that are done, by id; null for one without output.
        run: Facts of the run: ``id`` and ``workflow``.
        secrets: Gives a secret by its name, or None where there is no such secret.
    """

    inputs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    tasks: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    run: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    secrets: Callable[[str], str | None] = no_secrets


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
        variables = _variables(program.references, scope)
        if program.sole is not None:
            return _follow(program.sole, variables)
        try:
            return self.language.evaluate(program.tree, variables)
        except CelProblem as problem:
            message = f"the expression {_shown(code)} cannot be evaluated: {problem}"
            raise ExpressionError(message) from None


def _variables(references: Iterable[Reference], scope: Scope) -> dict[str, Any]:
    """Give the values that references lead to, and little else, as nested mappings."""
    variables: dict[str, Any] = {}
    for reference in sorted(references, key=lambda each: len(each.keys)):
        target = variables.setdefault(reference.root, {})
        match reference.root, reference.keys:
            case "secrets", (name, *_):
                target[name] = _secret(name, scope)
            case "tasks", (written, *keys):
                output = scope.tasks[resolve(reference, scope.tasks)]
                _copy({"output": output}, keys, target.setdefault(written, {}))
            case "inputs", keys:
                _copy(scope.inputs, keys, target)
            case _, keys:
                _copy(scope.run, keys, target)
    return variables


def _secret(name: str, scope: Scope) -> str:
    value = scope.secrets(name)
    if value is None:
        raise ExpressionError(f'the secret "{name}" is not set in the environment')
    return value


def _copy(source: Mapping[str, Any], keys: Sequence[str], target: dict[str, Any]) -> None:
    """Copy what lies on a path, so that large values beside it are not converted."""
    if not keys:
        target.update(source)
        return
    first, *rest = keys
    if first not in source:
        return
    value = source[first]
    if not rest or not is_object(value):
        target[first] = value
    elif target.get(first) is not value:
        # The mapping itself is there where a shorter path has been copied before.
        _copy(value, rest, target.setdefault(first, {}))


def _follow(reference: Reference, variables: Mapping[str, Any]) -> Any:
    """Give the value at the end of a path as it is, untouched by the language's types."""
    value: Any = variables.get(reference.root, {})
    for key in reference.keys:
        if not is_object(value):
            raise ExpressionError(f'{reference} leads nowhere: "{key}" is asked of no mapping')
        if key not in value:
            raise ExpressionError(f'{reference} leads nowhere: there is no "{key}"')
        value = value[key]
    return value


def resolve(reference: Reference, ids: Mapping[str, Any]) -> str:
    """Give the id of the task that a reference names.

    Raises:
        ExpressionError: There is none, or more than one.
    """
    written = reference.keys[0]
    if not reference.dotted:
        found = [written] if written in ids else []
    else:
        found = [each for each in ids if dotted(each) == written]
    if len(found) == 1:
        return found[0]
    if found:
        ways = " or ".join(f'tasks["{each}"]' for each in found)
        raise ExpressionError(f"{reference} can mean several tasks; write {ways}")
    raise ExpressionError(f'no task with the id "{written}" is done')


def dotted(task_id: str) -> str:
    """Spell an id as it is written after a dot: ``_`` for each sign that a name cannot have."""
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in task_id)


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
