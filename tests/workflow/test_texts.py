"""Texts that are no Unicode, as names of files give them, never keep a run from being stored."""

from __future__ import annotations

import os

import pytest

from callboard.storage import LogLine
from callboard.workflow import Failure, commands as c
from callboard.workflow._texts import storable
from callboard.workflow.events import Wait

BAD = os.fsdecode(b"caf\xe9.txt")
GOOD = "caf\\udce9.txt"


@pytest.mark.parametrize("text", ["", "plain", "größer", "日本", "\x00\n\u2028", "😀"])
def test_what_is_unicode_is_left_as_it_is(text: str) -> None:
    assert storable(text) == text


def test_what_is_none_is_escaped_wherever_people_and_tasks_speak() -> None:
    assert storable(BAD) == GOOD
    assert storable(None) is None
    assert c.NotReady(task="a", fence="f", message=BAD).message == GOOD
    assert c.Cancel(by=BAD, reason=BAD) == c.Cancel(by=GOOD, reason=GOOD)
    assert c.Stopped(task="a", fence="f", note=BAD).note == GOOD
    assert Wait(kind="input", message=BAD).message == GOOD
    assert Failure(kind=BAD, message=BAD) == Failure(kind=GOOD, message=GOOD)
    line = LogLine(run="r", task="a", generation=1, attempt=1, at=0, stream="log", text=BAD)
    assert line.text == GOOD
