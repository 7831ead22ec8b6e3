"""The tree of calls of a diff, both sides in one: what a flame graph draws.

Built level by level from the root, a sort and a sum each, never sample by sample.
"""

from dataclasses import dataclass, replace

import numpy as np

from memsnap.analysis.columns import distinct
from memsnap.analysis.cumulative import spread
from memsnap.analysis.diff import Diff
from memsnap.analysis.stacks import stacks
from memsnap.analysis.table import Columns
from memsnap.pprof.profile import Int32s, Int64s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flame(Columns):
    """N nodes, parents before their children; node 0 is the root of all.

    `function` and `file` are indices of `strings`, -1 for the root; `parent` is -1 for it.
    `before` and `after` are what lies under a node in the first and the last capture, its own
    included; siblings stand by the larger of the two, largest first.  `total` is the number of
    nodes of the whole tree.
    """

    strings: tuple[str, ...]
    function: Int32s
    file: Int32s
    parent: Int32s
    before: Int64s
    after: Int64s
    total: int

    def __len__(self) -> int:
        return len(self.parent)


def flame(diff: Diff, values: Int64s, *, limit: int) -> Flame:
    """Return the tree over the selected rows, its `limit` largest nodes.

    `values` (rows, captures) is a column of the diff's counts.  Nodes are functions: calls of one
    function from several lines of another are one node.  A node that is kept has its parent kept.
    """
    rows = diff.selected
    sides = values[rows][:, [0, -1]]
    rows, sides = rows[sides.any(axis=1)], sides[sides.any(axis=1)]
    start, frame = stacks(diff.alignment, rows)
    tree = _grow(diff, (start, frame), sides)
    kept = _largest(tree, limit)
    return _ordered(_cut(tree, kept))


def _grow(diff: Diff, stack: tuple[Int64s, Int32s], sides: Int64s) -> Flame:
    """Return the whole tree, level below level."""
    start, frame = stack
    frames = diff.alignment.frames
    names = len(frames.strings)
    node = np.zeros(len(sides), dtype=np.int64)  # of each row, on the level above
    left = np.flatnonzero(start[1:] > start[:-1])  # rows that reach down to this level
    whole = sides.sum(axis=0)
    levels = [(np.array([-1]), np.array([-1]), np.array([-1]), whole[:1], whole[1:])]
    depth, count = 0, 1
    while len(left):
        here = frame[start[left + 1] - 1 - depth]  # the stack is written innermost first
        keys, group = distinct(node[left] * names + frames.function[here])
        first = np.zeros(len(keys), dtype=np.int64)
        first[group] = here
        sums = np.zeros((len(keys), 2), dtype=np.int64)
        np.add.at(sums, group, sides[left])
        parent, function = np.divmod(keys, names)
        levels.append((parent, function, frames.file[first], sums[:, 0], sums[:, 1]))
        node[left] = count + group
        count += len(keys)
        depth += 1
        left = left[start[left + 1] - start[left] > depth]
    parent, function, file, before, after = (
        np.concatenate(column) for column in zip(*levels, strict=True)
    )
    return Flame(
        strings=frames.strings,
        function=function.astype(np.int32),
        file=file.astype(np.int32),
        parent=parent.astype(np.int32),
        before=before,
        after=after,
        total=count,
    )


def _weight(tree: Flame) -> Int64s:
    return np.maximum(np.abs(tree.before), np.abs(tree.after))


def _largest(tree: Flame, limit: int) -> Int64s:
    """Return the numbers of the nodes that stay, ascending: the largest, and the root.

    A child is no larger than its parent, and stands behind it where they are equal: the parents
    of the largest are among the largest.  What a damaged profile makes of that is cut off.
    """
    weight = _weight(tree)
    weight[0] = np.iinfo(np.int64).max
    chosen = np.zeros(len(tree), dtype=np.bool_)
    chosen[np.argsort(-weight, kind="stable")[:limit]] = True
    kept = np.flatnonzero(chosen)
    while True:
        orphan = ~chosen[tree.parent[kept]]
        orphan[0] = False
        if not orphan.any():
            return kept
        chosen[kept[orphan]] = False
        kept = np.flatnonzero(chosen)


def _cut(tree: Flame, kept: Int64s) -> Flame:
    number = np.full(len(tree) + 1, -1, dtype=np.int32)  # the last is the root's parent
    number[kept] = np.arange(len(kept))
    cut = tree.take(kept)
    return replace(cut, parent=number[cut.parent])


def _ordered(tree: Flame) -> Flame:
    """Return the tree with siblings by size, level by level."""
    weight = _weight(tree)
    place = np.zeros(len(tree), dtype=np.int32)  # of a node, in the new order
    order, now, done = [np.zeros(1, dtype=np.int64)], np.zeros(1, dtype=np.int64), 1
    children = np.argsort(tree.parent, kind="stable")
    first = np.searchsorted(tree.parent[children], np.arange(len(tree) + 1))
    while len(now):
        owner, places = spread(first[now], first[now + 1])
        below = children[places]
        below = below[np.lexsort((-weight[below], owner))]
        place[below] = done + np.arange(len(below))
        done += len(below)
        order.append(below)
        now = below
    ordered = tree.take(np.concatenate(order))
    parent = np.where(ordered.parent < 0, -1, place[ordered.parent]).astype(np.int32)
    return replace(ordered, parent=parent)
