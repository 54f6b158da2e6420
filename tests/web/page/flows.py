"""The workflows that the page is tried with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import callboard as cb
from callboard.workflow import TaskSpec, WorkflowSpec

EVIL = """<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'"&\\ \u202e"""

TEXTS = {
    "three": """
        workflow: three
        tasks:
          - {name: open}
          - {name: review, needs: [open]}
          - {name: send, needs: [review]}
        """,
    # Everything that a task can be, but for what somebody has to do first.
    "states": """
        workflow: states
        tasks:
          - {name: succeeds, shell: "echo hello; echo warned >&2"}
          - {name: fails badly, shell: "echo about to fail; exit 3"}
          - {name: behind it, needs: [fails badly]}
          - {name: tried again, shell: "exit 1", retry: {times: 3, delay: 1h, jitter: false}}
          - name: asks
            needs: [succeeds]
            input:
              message: How many may be sent?
              schema:
                type: object
                required: [count]
                properties:
                  count: {type: integer, minimum: 1}
                  note: {type: string, description: For the customer.}
                  sure: {type: boolean}
          - {name: skipped, needs: [succeeds], when: "false", shell: "true"}
          - {name: on the board}
          - {name: waits for all of them, needs: [asks, on the board]}
          - name: the last one with a name that is far too long for a line
            needs: [waits for all of them]
        """,
    "typed": """
        workflow: typed
        description: Takes something of every type.
        inputs:
          name: {type: string, description: Who asks.}
          amount: {type: number, default: 1.5}
          count: {type: integer}
          sure: {type: boolean, default: false}
          side: {type: string, enum: [left, right], default: left}
          list: {type: array, default: [1, 2]}
          extra: {type: object, required: false}
        tasks:
          - {name: only}
        """,
    "shapes": """
        flow: plan -> X -> fetch* -> report where X = (N -> M) | (J -> K)
        workflow: shapes
        promises: [at most 9 fetch, at least 1 fetch]
        tasks:
          - {name: plan, external: {grows: true}}
          - {name: N}
          - {name: M}
          - {name: J}
          - {name: K}
          - {name: fetch}
          - {name: report}
        """,
}


def _step(name: str, *needs: str) -> TaskSpec:
    return TaskSpec(id=name, name=name, needs=needs)


def hundred() -> WorkflowSpec:
    """A hundred tasks that depend on each other in no order that folds."""
    chance = random.Random(4)
    words = ("fetch", "clean up", "join", "train a model", "report", "check the numbers")
    tasks: list[TaskSpec] = []
    for number in range(100):
        earlier = [task.id for task in tasks[-14:]]
        wanted = min(len(earlier), chance.randint(1, 2))
        needs = chance.sample(earlier, wanted)
        tasks.append(_step(f"{chance.choice(words)} {number}", *sorted(needs)))
    return WorkflowSpec(name="hundred", tasks=tuple(tasks))


def thousands() -> WorkflowSpec:
    """Five thousand tasks: one, 4,998 side by side, and one behind them."""
    middle = [f"fetch {number}" for number in range(4998)]
    tasks = [_step("prepare"), *(_step(name, "prepare") for name in middle)]
    return WorkflowSpec(name="thousands", tasks=(*tasks, _step("gather", *middle)))


def wide() -> WorkflowSpec:
    """Twenty tasks that are alike, which are folded unless somebody wants to see each."""
    middle = [f"fetch {number}" for number in range(20)]
    tasks = [_step("prepare"), *(_step(name, "prepare") for name in middle)]
    return WorkflowSpec(name="wide", tasks=(*tasks, _step("gather", *middle)))


def evil() -> WorkflowSpec:
    """Tasks whose names try to be more than text."""
    tasks = (_step(EVIL), TaskSpec(id="second", name=f"{EVIL} again", needs=(EVIL,)))
    return WorkflowSpec(name=f"evil {EVIL}", description=EVIL, tasks=tasks)


def workflows_in(folder: Path) -> Sequence[Any]:
    """Return all of them; those from files lie in a folder."""
    found: list[Any] = [hundred(), thousands(), wide(), evil()]
    for name, text in TEXTS.items():
        file = folder / f"{name}.yaml"
        file.write_text("\n".join(line[8:] for line in text.strip("\n").splitlines()), "utf-8")
        found.append(cb.load(file))
    return found
