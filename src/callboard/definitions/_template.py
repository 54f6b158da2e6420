"""Texts with ``${{ … }}`` in them, taken apart; nothing of what stands inside."""

from __future__ import annotations

from typing import Final, TypeAlias

from .._frozen import frozen

OPENING: Final = "${{"
CLOSING: Final = "}}"


class TemplateProblem(Exception):
    """An expression begins and does not end."""


@frozen
class Code:
    """The text of one expression, without its braces."""

    text: str


Piece: TypeAlias = str | Code


def split(text: str) -> tuple[Piece, ...]:
    """Take a text apart; one :class:`Code` alone keeps the type of what it gives.

    Raises:
        TemplateProblem: An expression has no end.
    """
    pieces: list[Piece] = []
    at = 0
    while (start := text.find(OPENING, at)) >= 0:
        end = _end(text, start + len(OPENING))
        pieces += [text[at:start], Code(text[start + len(OPENING) : end].strip())]
        at = end + len(CLOSING)
    pieces.append(text[at:])
    codes = [piece for piece in pieces if isinstance(piece, Code)]
    rest = "".join(piece for piece in pieces if isinstance(piece, str))
    if len(codes) == 1 and not rest.strip():
        return (codes[0],)
    return tuple(piece for piece in pieces if piece != "")


def _end(text: str, at: int) -> int:
    """Find the ``}}`` that ends an expression: not one in a text or of a map."""
    depth = 0
    while at < len(text):
        if text[at] in "'\"":
            at = _after_string(text, at)
            continue
        if depth == 0 and text.startswith(CLOSING, at):
            return at
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    raise TemplateProblem("an expression begins with ${{ and has no }} to end it")


def _after_string(text: str, at: int) -> int:
    """Step over a string of the expression language: short or long, raw or with escapes."""
    raw = text[at - 1 : at] in ("r", "R") and not text[at - 2 : at - 1].isalnum()
    quote = text[at] * 3 if text.startswith(text[at] * 3, at) else text[at]
    at += len(quote)
    while at < len(text):
        if text[at] == "\\" and not raw:
            at += 2
        elif text.startswith(quote, at):
            return at + len(quote)
        else:
            at += 1
    raise TemplateProblem("a text in quotes has no end inside ${{ … }}")
