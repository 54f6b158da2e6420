"""Inputs are read, typed and completed; what does not fit is said all at once."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.definitions import check_inputs, loads, parse_duration, parse_input_text
from callboard.workflow import UsageError

SPEC = loads(
    """
workflow: loan
inputs:
  amount: {type: number, default: 1000000}
  count: {type: integer, required: false}
  name: {type: string}
  fast: {type: boolean, default: false}
  tags: {type: array, default: []}
  more: {type: object, default: {}}
  free: {default: null}
  size: {type: string, enum: [small, large], default: small}
tasks: []
"""
)


def test_defaults_complete_what_is_given() -> None:
    """Numbers become doubles; an input that is not required may be absent."""
    values = check_inputs(SPEC, {"name": "x", "amount": 5})
    assert values == {
        "amount": 5.0,
        "count": None,
        "name": "x",
        "fast": False,
        "tags": [],
        "more": {},
        "free": None,
        "size": "small",
    }
    assert type(values["amount"]) is float
    assert type(check_inputs(SPEC, {"name": "x"})["amount"]) is float
    assert check_inputs(SPEC, {"name": "x", "count": 3.0})["count"] == 3


def test_all_errors_come_at_once() -> None:
    """Unknown names, missing values and wrong types are reported together."""
    with pytest.raises(UsageError) as caught:
        check_inputs(SPEC, {"amout": 1, "amount": "x", "fast": 1, "tags": {}, "size": "medium"})
    assert str(caught.value).splitlines() == [
        'workflow "loan" has no input "amout"; did you mean "amount"?',
        'input "amount" must be a number, not the text "x"',
        'input "name" is missing; give a text with --input name=…',
        'input "fast" must be true or false, not 1',
        'input "tags" must be a list, not {}',
        'input "size" must be one of "small", "large", not the text "medium"',
    ]


@pytest.mark.parametrize("value", [True, 10**400, "5", None])
def test_only_numbers_are_numbers(value: Any) -> None:
    """Neither booleans nor texts nor what no double can hold."""
    with pytest.raises(UsageError, match='"amount" must be a number'):
        check_inputs(SPEC, {"name": "x", "amount": value})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name=12", ("name", "12")),
        ("name=a=b", ("name", "a=b")),
        ("name=", ("name", "")),
        ("amount=12", ("amount", 12)),
        ("fast=true", ("fast", True)),
        ("fast=yes", ("fast", "yes")),
        ('tags=["a"]', ("tags", ["a"])),
        ("free=1.5", ("free", 1.5)),
        ("free=some text", ("free", "some text")),
        ("free=NaN", ("free", "NaN")),
        ("other=[1]", ("other", [1])),
    ],
)
def test_command_line_values_are_read_by_type(text: str, expected: tuple[str, Any]) -> None:
    """By the declared type, else as JSON, else as text."""
    assert parse_input_text(text, SPEC) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("free=-1e999", "-1e999: a number in it is too large"),
        ('other=[{"a": 1e999}]', "a number in it is too large"),
        (f"tags={'[' * 100_000}", "…: it is nested too deep"),
        (r'free="\ud800"', "a character in it is no Unicode"),
    ],
)
def test_json_that_cannot_be_stored_is_no_value(text: str, words: str) -> None:
    """It is refused at once, whatever is declared; the message is short."""
    with pytest.raises(UsageError) as caught:
        parse_input_text(text, SPEC)
    told = str(caught.value)
    assert told.startswith(f'input "{text.partition("=")[0]}" cannot be ')
    assert (told.endswith(words), len(told) < 150) == (True, True)


@pytest.mark.parametrize("text", ["name=\udcff", "free=a\ud800", 'free="\udcff"'])
def test_a_value_is_unicode(text: str) -> None:
    """A shell hands on any bytes, which no store can keep as text."""
    with pytest.raises(UsageError, match=r"^--input '[ -~]*' is no Unicode text$"):
        parse_input_text(text, SPEC)


@pytest.mark.parametrize("text", ["name", "=1", " =1"])
def test_a_value_needs_a_name(text: str) -> None:
    """Without one it is refused at once."""
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_input_text(text, SPEC)


def test_durations_are_read_in_all_units() -> None:
    """Each unit once, the longest first."""
    written = {"250ms": 0.25, "10s": 10, "5m": 300, "1h30m": 5400, "1d": 86400, "1.5s": 1.5}
    assert {text: parse_duration(text) for text in written} == written
    for bad in ("", "5", "m5", "5 m", "1m1h", "1s1s", "-1s", "1w", "٣s"):
        with pytest.raises(ValueError, match="is no duration"):
            parse_duration(bad)
