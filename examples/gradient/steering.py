"""Pause a run and let it go on, leave it to wait for a person, and have a part of it done anew.

Run it with ``python examples/gradient/steering.py``.  Each act has its command, too: ``callboard
pause``, ``unpause``, ``answer`` and ``restart``.
"""

from __future__ import annotations

import sys

import anyio

import callboard as cb


@cb.task
async def write() -> str:
    return f"draft {cb.current().generation}"


@cb.task
async def approve(draft: str) -> bool:
    """Ask a person; until the answer comes nothing of this runs, and then it begins again."""
    answer: bool = await cb.current().wait({"type": "boolean"}, f"Shall {draft} be published?")
    return answer


@cb.task
async def publish(draft: str, *, approved: bool) -> str:
    return f"{draft} is published" if approved else f"{draft} is thrown away"


@cb.workflow
def paper(w: cb.Builder) -> cb.TaskRef:
    draft = w.add(write)
    return w.add(publish, draft, approved=w.add(approve, draft))


async def reach(run: cb.RunHandle, task: str, state: str) -> None:
    """Return when a task has come to a state."""
    async for _ in run.events(follow=True):
        if (await run.snapshot()).tasks[task].state == state:
            return


async def main(store: str) -> cb.RunResult:
    async with cb.Engine(store) as engine:
        run = await engine.start(paper)
        await run.pause()
        await reach(run, "approve", "ready")
        print("paused: what ran has ended, and nothing more starts")
        await run.unpause()
        await reach(run, "approve", "waiting")
    print("no engine, no process, no thread: the question is a row in the store")

    async with cb.Engine(store) as engine:
        run = await engine.get(run.id)
        await run.answer("approve", False)
        print((await run.result()).output)

        await run.restart("write")
        await reach(run, "approve", "waiting")
        await run.answer("approve", True)
        result = await run.result()
        print(result.output)
    return result


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if sys.argv[1:] else "sqlite:///steering.db")
