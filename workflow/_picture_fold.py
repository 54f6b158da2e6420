"""Folding: tasks that are alike are drawn as one, so that a picture of many tasks can be read.

Three steps, each only as far as it is needed:

1. Equal siblings (the same label, the same in front, the same behind) fold where there are more
   than :data:`SIBLINGS_MAX`; in a picture of more than :data:`NODES_MAX` nodes where there are more
   than :data:`FEW`.  If there are none, labels that differ in a number at their end count as the
   same.
2. If more than :data:`FOLDED_MAX` nodes are left, nodes fold that are alike: the same label, and
   alike in front and behind.  So a thousand chains side by side become one chain.
3. If still so many are left, numbers at the end of labels do not count there, either; then all
   tasks that are equally far from the beginning fold, and then what stands in a row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from ._picture_graph import Sources

SIBLINGS_MAX: Final = 12
NODES_MAX: Final = 40
FOLDED_MAX: Final = 150
FEW: Final = 3
_ROUNDS_MAX: Final = 100

Depths: TypeAlias = Mapping[str, tuple[int, int]]
Labels: TypeAlias = Mapping[str, tuple[str, ...]]
"""What a node must have in common with others to be drawn as one with them; its label is first."""


@attrs.frozen(eq=False)
class Folded:
    """A graph in which some vertices stand for several.

    Attributes:
        sources: What each runs after, by the name of the first of those that it stands for.
        members: What each of these stands for, more than one.
        words: What is to be said of an edge that is not one from each to each.
        stems: What the labels have in common where they differ.
        rows: Which of them stand for what runs one after another.
    """

    sources: Sources
    members: Mapping[str, Sequence[str]]
    words: Mapping[tuple[str, str], str]
    stems: Mapping[str, str]
    rows: Collection[str] = ()


def fold(sources: Sources, labels: Labels) -> Folded:
    """Fold a graph as far as its size asks for."""
    stems = {name: (stem(key[0]), *key[1:]) for name, key in labels.items()}
    groups = _siblings(sources, labels) or _siblings(sources, stems)
    if _left(sources, groups) > FOLDED_MAX:
        depths = _depths(sources)
        for find, keys in ((_alike, labels), (_alike, stems), (_levels, stems)):
            if _left(sources, groups) > FOLDED_MAX:
                groups = find(sources, keys, depths) or groups
    folded = _folded(sources, groups)
    if len(folded.sources) > FOLDED_MAX:
        folded = _in_rows(folded, stems)
    common: dict[str, str] = {}
    for first, group in folded.members.items():
        if len({labels.get(name) for name in group}) > 1:
            common[first] = stems[first][0]
    return attrs.evolve(folded, stems=common)


_NUMBER: Final = re.compile(r"[\W_]*(?:ID)?\d+$")


def stem(label: str) -> str:
    """Return a label without a number at its end."""
    return _NUMBER.sub("", label) or label


def _left(sources: Sources, groups: Iterable[Sequence[str]]) -> int:
    return len(sources) - sum(len(group) - 1 for group in groups)


def _siblings(sources: Sources, labels: Labels) -> list[list[str]]:
    behind = _behind(sources)
    most = SIBLINGS_MAX if len(sources) <= NODES_MAX else FEW
    groups: dict[Hashable, list[str]] = {}
    for name, key in labels.items():
        around = frozenset(sources[name]), frozenset(behind[name])
        groups.setdefault((key, *around), []).append(name)
    return [group for group in groups.values() if len(group) > most]


def _depths(sources: Sources) -> dict[str, tuple[int, int]]:
    """Return how far each vertex is from the beginning, and from the end."""
    behind = _behind(sources)
    return dict(
        zip(
            sources,
            zip(_distances(sources, behind), _distances(behind, sources), strict=True),
            strict=True,
        )
    )


def _behind(sources: Sources) -> Sources:
    behind: Sources = {name: [] for name in sources}
    for name, found in sources.items():
        for each in found:
            behind[each].append(name)
    return behind


def _distances(before: Sources, after: Sources) -> list[int]:
    missing = {name: len(found) for name, found in before.items()}
    far = dict.fromkeys(before, 0)
    queue = [name for name, count in missing.items() if not count]
    for name in queue:
        for each in after[name]:
            far[each] = max(far[each], far[name] + 1)
            missing[each] -= 1
            if not missing[each]:
                queue.append(each)
    return list(far.values())


def _alike(sources: Sources, keys: Labels, depths: Depths) -> list[list[str]]:
    """Return the groups of nodes that cannot be told apart: the coarsest stable partition."""
    behind = _behind(sources)
    colours = _numbered({name: (keys.get(name, ()), depths[name]) for name in sources})
    for _ in range(_ROUNDS_MAX):
        finer = _numbered(
            {
                name: (
                    colours[name],
                    frozenset(colours[each] for each in found),
                    frozenset(colours[each] for each in behind[name]),
                )
                for name, found in sources.items()
            }
        )
        if len(set(finer.values())) == len(set(colours.values())):
            return _several(colours)
        colours = finer
    return []


def _levels(sources: Sources, keys: Labels, depths: Depths) -> list[list[str]]:
    """Return the groups of tasks that are equally far from the beginning."""
    return _several(_numbered({name: (keys.get(name, name), depths[name][0]) for name in sources}))


def _several(colours: Mapping[str, int]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for name, colour in colours.items():
        groups.setdefault(colour, []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _numbered(signs: Mapping[str, Hashable]) -> dict[str, int]:
    numbers: dict[Hashable, int] = {}
    return {name: numbers.setdefault(sign, len(numbers)) for name, sign in signs.items()}


def _folded(sources: Sources, groups: Iterable[Sequence[str]]) -> Folded:
    members = {group[0]: group for group in groups}
    first = {name: group[0] for group in members.values() for name in group}
    edges: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, found in sources.items():
        for each in found:
            edge = first.get(each, each), first.get(name, name)
            edges.setdefault(edge, []).append((each, name))
    folded: Sources = {name: [] for name in sources if first.get(name, name) == name}
    words: dict[tuple[str, str], str] = {}
    for (source, target), pairs in edges.items():
        folded[target].append(source)
        many, others = len(members.get(source, "1")), len(members.get(target, "1"))
        if len(pairs) < many * others:
            ends = {len(set(side)) for side in zip(*pairs, strict=True)}
            words[source, target] = "each" if {len(pairs), many, others} == ends else "some"
    return Folded(folded, members, words, {})


def _in_rows(folded: Folded, keys: Labels) -> Folded:
    """Fold what stands in a row: each runs after the one before it alone."""
    sources = folded.sources
    behind = _behind(sources)
    row_of: dict[str, list[str]] = {}
    for name in sources:
        if name in row_of or _before_in_row(name, sources, behind, keys) is not None:
            continue
        row = row_of[name] = [name]
        while len(behind[row[-1]]) == 1:
            follower = behind[row[-1]][0]
            if _before_in_row(follower, sources, behind, keys) != row[-1]:
                break
            row.append(follower)
    rows = [row for row in row_of.values() if len(row) > FEW]
    again = _folded(sources, rows)
    members = {
        first: [each for name in group for each in folded.members.get(name, (name,))]
        for first, group in again.members.items()
    }
    gone = {name for row in rows for name in row}
    return Folded(
        sources=again.sources,
        members={k: v for k, v in folded.members.items() if k not in gone} | members,
        words={pair: word for pair, word in folded.words.items() if not gone & {*pair}},
        stems={},
        rows=frozenset(members),
    )


def _before_in_row(name: str, sources: Sources, behind: Sources, keys: Labels) -> str | None:
    found = sources[name]
    if name not in keys or len(found) != 1 or len(behind[found[0]]) != 1:
        return None
    return found[0] if keys.get(found[0]) == keys[name] else None
