"""What a later attempt says once more is found again, and nothing is made twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callboard.workflow import Failure, Refused, Retry, TaskOptions, commands as c

if TYPE_CHECKING:
    from .conftest import Play

RETRY = {"A": TaskOptions(retry=Retry(times=3, delay=0.0, jitter=False))}
PAGES = c.OpenHole(shape="page*")


def retried(play: type[Play], *said: c.Creation) -> Play:
    """Return a run whose first attempt has said this and failed, after its page had begun."""
    p = play({"A": ""}, options=RETRY)
    p.begin("A")
    p.grow("A", *said)
    p.begin(p.add("A", "page", into="page"))
    p.say(c.Fail(task="A", fence=p.fence("A"), failure=Failure(kind="error", message="once")))
    p.now += 1
    p.say(c.Due(what="retry", task="A"))
    p.begin("A")
    return p


def test_a_hole_without_an_id_is_found_by_its_shape_and_its_number(play: type[Play]) -> None:
    p = retried(play, PAGES, PAGES, c.OpenHole(shape="item*"))
    assert list(p.run.holes) == ["page"]  # the others were taken back: nothing was in them
    p.grow("A", PAGES)
    assert list(p.run.holes) == ["page"]
    p.grow("A", PAGES, c.OpenHole(shape="item*"))
    assert list(p.run.holes) == ["page", "page-2", "item"]


def test_a_hole_with_an_id_is_found_by_it_and_is_the_same(play: type[Play]) -> None:
    mine = c.OpenHole(shape="page*", hole="page")
    p = retried(play, mine)
    p.grow("A", mine)
    assert list(p.run.holes) == ["page"]
    assert "already" in p.refused("exists", "A", c.OpenHole(shape="page+", hole="page"))
    with pytest.raises(Refused, match="already"):
        p.say(mine)


def test_a_hole_that_was_given_is_not_asked_for_again(play: type[Play]) -> None:
    p = play({"A": ""}, options=RETRY)
    p.begin("A")
    p.grow("A", PAGES)
    heir = p.add("A", "heir")
    given = c.GiveHole(hole="page", to=heir)
    p.grow("A", given)
    p.begin(heir)
    p.say(c.Fail(task="A", fence=p.fence("A"), failure=Failure(kind="error", message="once")))
    p.now += 1
    p.say(c.Due(what="retry", task="A"))
    p.begin("A")
    assert p.grow("A", PAGES, given) == []
    assert p.add("A", "heir") == ""
    assert "belongs to" in p.refused("refused", "A", c.CloseHole(hole="page"))
