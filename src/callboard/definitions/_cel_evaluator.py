"""The CEL library's evaluator within bounds: its steps are counted, its errors made plain.

Imported with the first expression: it needs the library.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import celpy
from celpy.celparser import CELParseError
from celpy.evaluation import Activation, CELEvalError, Evaluator

from ._cel_values import Budget, Operators, TooMuch, from_cel, to_cel
from ._guards import is_array
from ._nodes import shorten

_CLASS: Final = re.compile(r"<class '(?:[\w.]*\.)?(\w+?)(?:Type)?'>")
_RULE: Final = re.compile(r"Token\('RULE', '\w*?_(\w+)'\)")
_SIGNS: Final = {
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "mod": "%",
    "neg": "-",
    "not": "!",
}


class CelProblem(Exception):
    """An expression cannot be parsed or evaluated."""


class _Bounded(Evaluator):
    """Counts every visit, also those of macros."""

    def __init__(self, ast: Any, activation: Activation, budget: Budget) -> None:
        super().__init__(ast, activation)  # pyright: ignore[reportUnknownMemberType]
        self.budget = budget

    def _visit_tree(self, tree: Any) -> Any:
        self.budget.take()
        return super()._visit_tree(tree)

    def sub_evaluator(self, ast: Any) -> Evaluator:
        return _Bounded(ast, self.activation, self.budget)


class Cel:
    """The language, made ready once."""

    def __init__(self) -> None:
        limit = sys.getrecursionlimit()
        self._environment: Any = celpy.Environment()
        # The library raises the interpreter's limit; that is not a library's to decide.
        sys.setrecursionlimit(limit)

    def parse(self, text: str) -> Any:
        """Give the syntax tree of an expression."""
        try:
            return self._environment.compile(text)
        except CELParseError as error:
            ended = "$END" in str(error)
            reason = "it ends too early" if ended else _where(text, error.line, error.column)
            raise CelProblem(reason) from None
        except Exception as error:  # noqa: BLE001 - values of unexpected types reach its own code
            raise CelProblem(f"it cannot be parsed: {shorten(str(error))}") from None

    def evaluate(self, tree: Any, variables: Mapping[str, Any]) -> Any:
        """Give the JSON value of a syntax tree."""
        try:
            budget = Budget()
            program = self._environment.program(tree, Operators(budget).table())
            evaluator = _Bounded(tree, program.new_activation(), budget)
            context: Any = {name: to_cel(value) for name, value in variables.items()}
            return from_cel(evaluator.evaluate(context))
        except CELEvalError as error:
            raise CelProblem(explain(error)) from None
        except TooMuch as error:
            raise CelProblem(str(error)) from None
        except RecursionError:
            raise CelProblem("it or its values are nested too deeply") from None
        except Exception as error:  # noqa: BLE001 - values of unexpected types reach its own code
            raise CelProblem(f"the types do not fit: {shorten(str(error), 120)}") from None


def _where(text: str, line: int | None, column: int | None) -> str:
    lines = text.splitlines()
    if line is None or column is None or not 0 < line <= len(lines):
        return "it ends too early"
    rest = lines[line - 1][column - 1 :]
    return f'it cannot be parsed from "{shorten(rest, 30)}" on' if rest else "it ends too early"


def explain(error: CELEvalError) -> str:
    """Say in plain words what went wrong in an evaluation."""
    parts: tuple[Any, ...] = error.args
    text = str(parts[0]) if parts else "it failed"
    text = _RULE.sub(lambda found: _SIGNS.get(found[1], found[1]), _CLASS.sub(_type_name, text))
    if known := re.match(r"no such member in mapping: '(.*)'", text, re.DOTALL):
        return f'there is no "{known[1]}"'
    if known := re.match(r"found no matching overload for (\S+) applied to '\((.*)\)'", text):
        return f"{known[1].replace('_', '')} does not work on ({known[2]})"
    inner = parts[2] if len(parts) > 2 else None  # noqa: PLR2004
    detail = ", ".join(str(each) for each in inner) if is_array(inner) else ""
    text = {"return error for overflow": "a number or text is out of range"}.get(text, text)
    return shorten(f"{text} ({detail})" if detail and detail not in text else text, 200)


def _type_name(found: re.Match[str]) -> str:
    return {"None": "null"}.get(found[1], found[1].casefold())
