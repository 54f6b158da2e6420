"""Final graphs, up to what may differ between equal ones: the ids of later tasks.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import permutations, product
from typing import Any

import attrs

# How a later task stands to those that exist now: its label, those in front, those behind.
Sign = tuple[str, tuple[str, ...], tuple[str, ...]]
# Some later tasks, equal twins counted, and the pairs of numbers among them that stand in order.
Piece = tuple[tuple[tuple[Sign, int], ...], tuple[tuple[int, int], ...]]
Sets = dict[Hashable, set[Hashable]]


@attrs.frozen(cache_hash=True)
class Final:
    """A final graph: the order of the tasks that exist now, and the later tasks, in pieces.

    Between pieces there is no order.
    """

    order: frozenset[tuple[str, str]]
    later: tuple[Piece, ...]


def canonical(
    now: Iterable[str],
    later: Mapping[Any, str],
    order: Iterable[tuple[Hashable, Hashable]],
) -> Final:
    """Bring a graph into the one form that all graphs equal to it have.

    Args:
        now: The ids of the tasks that exist at the moment.
        later: The label of each task that does not, by whatever names it here.
        order: Which is in front of which, transitively closed.
    """
    known = set(now)
    kept: set[tuple[str, str]] = set()
    fronts: Sets = defaultdict(set)
    backs: Sets = defaultdict(set)
    for u, v in order:
        if u in known and v in known:
            kept.add((str(u), str(v)))
        else:
            fronts[v].add(u)
            backs[u].add(v)
    signs: dict[Hashable, Sign] = {
        v: (label, _names(fronts[v] & known), _names(backs[v] & known))
        for v, label in later.items()
    }
    inner = {v: (fronts[v] - known, backs[v] - known) for v in later}
    pieces = sorted(_piece(each, signs, inner) for each in _apart(inner))
    return Final(frozenset(kept), tuple(pieces))


def _names(some: set[Hashable]) -> tuple[str, ...]:
    return tuple(sorted(map(str, some)))


def _apart(
    inner: dict[Hashable, tuple[set[Hashable], set[Hashable]]],
) -> Iterator[list[Hashable]]:
    """Take the later tasks apart into those that have order among each other."""
    left = set(inner)
    while left:
        piece, edge = list[Hashable](), [left.pop()]
        while edge:
            v = edge.pop()
            piece.append(v)
            near = (inner[v][0] | inner[v][1]) & left
            left -= near
            edge += near
        yield piece


def _piece(
    vertices: list[Hashable],
    signs: dict[Hashable, Sign],
    inner: dict[Hashable, tuple[set[Hashable], set[Hashable]]],
) -> Piece:
    """Name a piece by its numbers alone: of all namings the least."""
    if len(vertices) == 1:
        return ((signs[vertices[0]], 1),), ()
    twins: dict[tuple[Sign, frozenset[Hashable], frozenset[Hashable]], list[Hashable]] = {}
    for v in vertices:
        twins.setdefault((signs[v], *map(frozenset, inner[v])), []).append(v)  # type: ignore[arg-type]
    alike: dict[tuple[Sign, int], list[Hashable]] = defaultdict(list)
    for (sign, _, _), group in twins.items():
        alike[sign, len(group)].append(group[0])
    kinds = sorted(alike)
    head = tuple(kind for kind in kinds for _ in alike[kind])
    if len(head) == len(kinds):
        return head, _pairs([alike[kind][0] for kind in kinds], inner)
    orders = product(*(permutations(alike[kind]) for kind in kinds))
    return head, min(_pairs([v for group in each for v in group], inner) for each in orders)


def _pairs(
    vertices: list[Hashable], inner: dict[Hashable, tuple[set[Hashable], set[Hashable]]]
) -> tuple[tuple[int, int], ...]:
    at = {v: number for number, v in enumerate(vertices)}
    return tuple(sorted((at[u], at[v]) for v in vertices for u in inner[v][0] if u in at))
