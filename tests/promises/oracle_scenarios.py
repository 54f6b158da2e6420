"""Random small workflows and random moves, biased so that deep moments are reached.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from .oracle import Oracle
from .oracle_parts import Wild, labels_of, owners, way_into
from .oracle_shapes import Misread
from .oracle_state import (
    AddEdge,
    Close,
    Create,
    Give,
    Hole,
    Move,
    Promise,
    Scenario,
    Start,
    State,
    Succeed,
    Unfit,
    declared,
    dotted,
)

SUFFIXES = ("*", "*", "*", "+", "?", "?", "{2,3}", "{1,2}", "{2}")


def scenarios(seed: int) -> Iterator[Scenario]:
    """Make random scenarios for ever; those that are refused by their text alone are left out."""
    rng = Random(seed)
    while True:
        scenario = flow_scenario(rng) if rng.random() < 0.6 else python_scenario(rng)
        try:
            declared(scenario)
        except (Misread, Unfit):
            continue
        yield scenario


def flow_scenario(rng: Random) -> Scenario:
    """Make a flow from A to B, at times with a C between."""
    names = list("MNK")
    rng.shuffle(names)
    middle = ["A", grouped(expression(rng, names))]
    if names and rng.random() < 0.4:
        middle += [*rng.choice(([], ["C"])), grouped(expression(rng, names))]
    if rng.random() < 0.9:
        middle.append("B")
    flow = " -> ".join(middle)
    mute = frozenset(name for name in "MNKC" if rng.random() < 0.07)
    return Scenario(flow=flow, guards=guards(rng, flow), mute=mute)


def python_scenario(rng: Random) -> Scenario:
    """Make tasks and holes as Python code declares them."""
    tasks: list[tuple[str, tuple[str, ...]]] = [("A", ()), ("B", ("A",))]
    if rng.random() < 0.4:
        tasks.insert(1, ("C", ("A",)))
    names = list("MNK")
    rng.shuffle(names)
    holes: list[Hole] = []
    for number in range(rng.choice((0, 1, 1, 1, 2))):
        after = rng.choice((("A",), (tasks[1][0],) if len(tasks) > 2 else ("A",)))
        if holes and rng.random() < 0.4:
            after = (f"#{holes[0][0]}",)
        before = ("B",) if rng.random() < 0.8 else ()
        owner = "A" if rng.random() < 0.3 else None
        if names:
            holes.append((f"h{number}", expression(rng, names)[0], after, before, owner))
    closed = rng.random() < 0.5
    text = " ".join(hole[1] for hole in holes) + " A B"
    return Scenario(
        tasks=tuple(tasks),
        holes=tuple(holes),
        guards=guards(rng, text),
        closed=closed,
        sealed=rng.random() < 0.04,
        mute=frozenset(name for name in "MNKCB" if rng.random() < 0.07),
    )


def expression(rng: Random, names: list[str], depth: int = 0) -> tuple[str, str]:
    """Make a shape of some of the names, each used once, and say what sort it is."""
    draw = rng.random()
    if not names or rng.random() < 0.04:
        return "...", "dots"
    if depth > 2 or (depth and draw < 0.4):
        return names.pop(), "name"
    if draw < 0.6:
        body, sort = expression(rng, names, depth + 1)
        if sort in ("dots", "map"):
            return body, sort
        suffix = rng.choice(SUFFIXES)
        body = body if sort == "name" else f"({body})"
        return body + suffix, "optional" if suffix == "?" else "map"
    if draw < 0.7:
        body, _ = expression(rng, names, depth + 1)
        return f"loop({body})" + rng.choice(("", "*", "{1,2}", "{0,2}")), "loop"
    sides = [grouped(expression(rng, names, depth + 1))]
    if names:
        sides.append(grouped(expression(rng, names, depth + 1)))
    sign, sort = rng.choice(((" -> ", "seq"), (" -> ", "seq"), (" & ", "par"), (" | ", "alt")))
    if len(sides) < 2:
        sides.append("()" if sort == "alt" else grouped(expression(rng, names, depth + 1)))
    return sign.join(sides), sort


def grouped(made: tuple[str, str]) -> str:
    """Put a shape into parentheses where it needs them."""
    text, sort = made
    return f"({text})" if sort in ("seq", "par", "alt") else text


def guards(rng: Random, text: str) -> tuple[str, ...]:
    """Make some guards about the names of a text."""
    return tuple(guard(rng, text) for _ in range(rng.choice((0, 0, 1, 1, 2, 3))))


def guard(rng: Random, text: str, scopes: tuple[str, ...] = ("A",)) -> str:
    """Make a guard about the names of a text."""
    names = sorted(set(re.findall(r"[A-Z]", text))) or ["M"]
    late = [name for name in names if name not in "ABC"] or names
    name, other = rng.choice(late), rng.choice(names)
    number = rng.choice((0, 1, 1, 2, 2, 3))
    said = rng.choice(
        (
            *(f"at most {number} {name}", f"at most {number} {name}"),
            *(f"at least {number} {name}", f"at least {number} {name}"),
            *(f"exactly {number} {name}", f"at most {len(names) + number} tasks"),
            *(f"no new {name}", f"only tasks {name}, {other}", f"at most {number} [{name}{other}]"),
            *(f"no edges into {other}", f"no edges from {other}", "no new edges"),
            *(f"only edges {name} -> *, * -> {other}", "no new tasks"),
        )
    )
    return f"{said} by {rng.choice(scopes)}" if rng.random() < 0.25 else said


def random_move(oracle: Oracle, state: State, rng: Random) -> Move:
    """Make a move that could mean something here: mostly creations, ends late."""
    running = [task.id for task in state.tasks if task.state == "running"]
    ready = sorted(oracle.startable(state))
    draw = rng.random()
    if ready and (not running or draw < 0.3):
        return Start(rng.choice(ready))
    if not running:
        return promise(state, rng)
    if draw < 0.7:
        return creation(state, rng, running)
    if draw < 0.75:
        return promise(state, rng, by=rng.choice((None, rng.choice(running))))
    owned = [
        (dotted(address), who)
        for address, leaf in state.leaves()
        for who in owners(leaf)
        if who in running
    ]
    if owned and draw < 0.88:
        address, who = rng.choice(owned)
        address = address if rng.random() < 0.7 else address.split("/")[0]
        heirs = [task.id for task in state.tasks if who in state.chain(task.id)]
        if heirs and draw < 0.81:
            return Give(who, address, rng.choice(heirs))
        return Close(who, address)
    if draw < 0.91 and len(state.tasks) > 1:
        u, v = rng.sample([task.id for task in state.tasks], 2)
        if u not in oracle.order(state)[v]:
            return AddEdge(rng.choice(running), u, v)
    return Succeed(rng.choice(running))


def creation(state: State, rng: Random, running: list[str]) -> Create:
    """Make a creation, mostly one that has a place."""
    speaking = [each for each in running if state.speaks_now(each)] or running
    who = rng.choice(speaking)
    mine = [(address, leaf) for address, leaf in state.leaves() if who in owners(leaf)]
    label, into = rng.choice(state.plan.labels), None
    if mine and rng.random() < 0.95:
        address, leaf = rng.choice(mine)
        label = rng.choice(list(labels_of(leaf, state.plan.labels)))
        into = rng.choice((None, None, None, dotted(address), way_into(address, leaf)))
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    if rng.random() < 0.25 and (not state.plan.auto or any_dots(state)):
        others = [task.id for task in state.tasks]
        after = tuple(rng.sample(others, rng.choice((0, 1, 1, 2)) % (len(others) + 1)))
        before = tuple(rng.sample(others, rng.choice((0, 0, 1))))
    return Create(who, label, into, after, before)


def any_dots(state: State) -> bool:
    """Tell whether there are dots that can be filled."""
    return any(isinstance(leaf, Wild) for _, leaf in state.leaves())


def promise(state: State, rng: Random, by: str | None = None) -> Promise:
    """Make a promise of any kind."""
    if rng.random() < 0.1:
        return Promise(rng.choice(("sealed", "closed")), by)
    scopes = tuple(task.id for task in state.tasks)
    return Promise(guard(rng, " ".join(state.plan.labels), scopes), by)
