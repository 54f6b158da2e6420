"""Random small workflows and random moves, biased so that deep moments are reached.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from .oracle import Oracle
from .oracle_parts import Address, Node, Wild, labels_of, owners, way_into
from .oracle_shapes import Closed, Misread
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

FURTHER_MAX = 6  # about so many tasks are created
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
    """Make tasks and holes as Python code declares them; owners need not be in front."""
    tasks: list[tuple[str, tuple[str, ...]]] = [("A", ()), ("B", rng.choice(((), ("A",))))]
    if rng.random() < 0.5:
        tasks.insert(1, ("C", rng.choice(((), ("A",)))))
    ids = [task for task, _ in tasks if task != "B"]
    names = list("MNK")
    rng.shuffle(names)
    holes: list[Hole] = []
    for number in range(rng.choice((0, 1, 1, 1, 2))):
        after: tuple[str, ...] = (rng.choice(ids),) if rng.random() < 0.9 else ()
        if holes and rng.random() < 0.4:
            after = (f"#{holes[0][0]}",)
        before = ("B",) if rng.random() < 0.8 else ()
        owner = rng.choice(ids) if rng.random() < 0.5 else None
        if names:
            holes.append((f"h{number}", expression(rng, names)[0], after, before, owner))
    text = " ".join([hole[1] for hole in holes] + [*ids, "B"])
    return Scenario(
        tasks=tuple(tasks),
        holes=tuple(holes),
        guards=guards(rng, text),
        closed=rng.random() < 0.5,
        sealed=rng.random() < 0.04,
        mute=frozenset(name for name in "MNKCB" if rng.random() < 0.07),
    )


def expression(rng: Random, names: list[str], depth: int = 0) -> tuple[str, str]:
    """Make a shape of some of the names, each used once, and say what sort it is."""
    draw = rng.random()
    if not names or rng.random() < 0.02:
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
    first = expression(rng, names, depth + 1)
    sign, sort = rng.choice(((" -> ", "seq"), (" -> ", "seq"), (" & ", "par"), (" | ", "alt")))
    if names:
        return grouped(first) + sign + grouped(expression(rng, names, depth + 1)), sort
    return (f"{grouped(first)} | ()", "alt") if sort == "alt" else first


def grouped(made: tuple[str, str]) -> str:
    """Put a shape into parentheses where it needs them."""
    text, sort = made
    return f"({text})" if sort in ("seq", "par", "alt") else text


def guards(rng: Random, text: str) -> tuple[str, ...]:
    """Make some guards about the names of a text."""
    made = [guard(rng, text) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]
    late = re.findall(r"[MNK]", text)
    if late and rng.random() < 0.3:
        there = len(set(re.findall(r"[ABC]", text)))
        made.append(f"at least {rng.choice((1, 1, 2))} {rng.choice(late)}")
        made.append(f"at most {there + rng.choice((2, 3, 4))} tasks")
    return tuple(made)


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
    """Make a move that could mean something here, mostly one that changes the state."""
    for _ in range(rng.choice((0, 0, 4, 4, 8))):
        move = any_move(oracle, state, rng)
        if oracle.apply(state, move)[0] == "ok":
            return move
    return any_move(oracle, state, rng)


def any_move(oracle: Oracle, state: State, rng: Random) -> Move:
    """Make a move: mostly creations, ends late."""
    running = [task.id for task in state.tasks if task.state == "running"]
    ready = sorted(oracle.startable(state))
    draw = rng.random()
    if ready and (not running or draw < 0.25):
        return Start(rng.choice(ready))
    if not running or draw > 0.97:
        return promise(state, rng, by=rng.choice((None, *running)))
    owned = [
        (address, leaf, who)
        for address, leaf in state.leaves()
        for who in owners(leaf)
        if state.speaks_now(who)
    ]
    created = sum(task.creator is not None for task in state.tasks)
    if created > FURTHER_MAX and draw < 0.75:
        draw = 0.75 + draw / 3
    if draw < (0.7 if Closed() in state.guards else 0.55) and owned:
        return creation(state, rng, *rng.choice(owned))
    if draw < 0.75:
        who = rng.choice(running)
        return Create(who, rng.choice(state.plan.labels), None, *sides(state, rng))
    if draw < 0.85 and owned:
        return decision(state, rng, *rng.choice(owned))
    if draw < 0.88 and len(state.tasks) > 1:
        u, v = rng.sample([task.id for task in state.tasks], 2)
        if u not in oracle.order(state)[v]:
            return AddEdge(rng.choice(running), u, v)
    busy = {who for _, _, who in owned}
    idle = [each for each in running if each not in busy]
    return Succeed(rng.choice(idle if idle and rng.random() < 0.8 else running))


def creation(state: State, rng: Random, address: Address, leaf: Node, who: str) -> Create:
    """Make a creation that has a place, at times with an address or with an order."""
    label = rng.choice(list(labels_of(leaf, state.plan.labels)))
    into = rng.choice((None, None, None, None, dotted(address), way_into(address, leaf)))
    if isinstance(leaf, Wild) and rng.random() < 0.5:
        some = [*leaf.tasks, *sides(state, rng)[0]]
        after = tuple(each for each in some if rng.random() < 0.4)
        before = tuple(each for each in leaf.tasks if rng.random() < 0.3)
        return Create(who, label, into, after, before)
    after, before = sides(state, rng) if rng.random() < 0.1 else ((), ())
    return Create(who, label, into, after, before)


def decision(state: State, rng: Random, address: Address, leaf: Node, who: str) -> Move:
    """Close a part or what is around it, or give it to somebody."""
    place = dotted(address if rng.random() < 0.7 else address[:1])
    everybody = [task.id for task in state.tasks]
    heirs = [each for each in everybody if who in state.chain(each)]
    if heirs and rng.random() < 0.6:
        deep = [each for each in heirs if len(state.chain(each)) > 1] or heirs
        return Give(who, place, rng.choice(rng.choice((deep, heirs, heirs, everybody))))
    return Close(who, place)


def sides(state: State, rng: Random) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Choose what to name in `after` and `before`."""
    others = [task.id for task in state.tasks]
    after = rng.sample(others, min(len(others), rng.choice((0, 1, 1, 2))))
    return tuple(after), tuple(rng.sample(others, rng.choice((0, 0, 1))))


def promise(state: State, rng: Random, by: str | None = None) -> Promise:
    """Make a promise of any kind."""
    if rng.random() < 0.1:
        return Promise(rng.choice(("sealed", "closed")), by)
    scopes = tuple(task.id for task in state.tasks)
    return Promise(guard(rng, " ".join(state.plan.labels), scopes), by)
