"""Commands to a run of another process, as they are written down and answered."""

from __future__ import annotations

import json

import pytest

from callboard.supervisor import answer_of, decode_command, encode_command, refusal_of
from callboard.workflow import PromiseRefused, Refused, UsageError, commands as c


def test_a_persons_promise_is_read_as_it_was_written() -> None:
    command = c.Grow(commands=(c.Promise(text="no new tasks"),))
    assert decode_command(json.loads(json.dumps(encode_command(command)))) == command


@pytest.mark.parametrize(
    "command",
    [
        c.Grow(commands=(c.Promise(text="sealed"),), task="a", fence="f"),
        c.Grow(commands=(c.CloseHole(hole="h"),)),
        c.Grow(commands=(c.Promise(text="sealed"), c.Promise(text="closed"))),
    ],
)
def test_no_other_growth_comes_from_another_process(command: c.Grow) -> None:
    with pytest.raises(UsageError, match="not a command for another process"):
        encode_command(command)


@pytest.mark.parametrize("refusal", [PromiseRefused("untrue"), Refused("no")])
def test_a_refusal_is_raised_as_what_it_was(refusal: Refused) -> None:
    told = refusal_of(answer_of(refusal))
    assert type(told) is type(refusal)
    assert str(told) == str(refusal)
