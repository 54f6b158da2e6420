"""The audit trail: the newest first, and never without end."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from callboard.registry import Audit
from callboard.storage import Store

NewStore = Callable[[], Store]


async def test_the_newest_note_comes_first(new_store: NewStore) -> None:
    """Also of those of one moment, and when the clock goes back."""
    times = iter([5.0, 5.0, 9.0, 7.0])
    store = new_store()
    async with store.opened():
        audit = Audit(store, lambda: now)
        for number in range(4):
            now = next(times)
            await audit.note(
                who="ada", action="start", target=f"r{number}", outcome="201", detail={"n": number}
            )
        page = await audit.list(limit=3)
        assert [each.target for each in page.items] == ["r3", "r2", "r1"]
        assert page.total == 4
        assert (page.items[0].at, page.items[0].detail) == (7.0, {"n": 3})
        assert [each.target for each in (await audit.list(offset=3)).items] == ["r0"]


async def test_the_oldest_notes_are_removed(new_store: NewStore) -> None:
    """Also when two write at once: they remove no more than there is to remove."""
    store = new_store()
    async with store.opened():
        clock = [0.0]

        def wall() -> float:
            clock[0] += 1.0
            return clock[0]

        async def write(audit: Audit) -> None:
            for number in range(500):
                await audit.note(who="a", action="b", target=str(number), outcome="c")

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(write, Audit(store, wall, notes_max=150))
        audit = Audit(store, wall)
        page = await audit.list(limit=1)
        assert 150 <= page.total <= 350
        assert page.items[0].target == "499"
