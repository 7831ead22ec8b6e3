"""A diff as columns: what the page and the HTML report draw from.

The form `memsnap.columns/1` says the same as `memsnap.diff/1` in a twentieth of the size: rows are
parallel lists, texts are indices into `strings`, and stacks are leaves of one tree.  Growth, born
and died are left out where they follow: growth = after - before, born = after - survived, died =
before - survived, each limit from the opposite one.
"""

from collections.abc import Collection
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt

from memsnap.analysis.diff import Diff
from memsnap.analysis.findings import settled
from memsnap.analysis.rows import Sort, order
from memsnap.analysis.stacks import stacks
from memsnap.analysis.table import By, Keys, Table
from memsnap.pprof.profile import Int32s, Int64s
from memsnap.report.document import diff_document

SCHEMA = "memsnap.columns/1"
GROUPINGS = (By.SITE, By.TYPE, By.FUNCTION, By.LINE, By.PACKAGE)
MOST_SITES = 200_000
"""The most sites of one answer over HTTP: some 100 MB of JSON, a tenth of that compressed."""

Numbers = list[int]


class RowColumns(TypedDict):
    """The rows of one table as lists of one length; whole columns are null where unknown.

    Texts (`type`, `alloc`, `function`, `file`, `package`, `verdict`) are places in `strings`.
    """

    type: Numbers
    alloc: Numbers
    function: Numbers
    file: Numbers
    package: Numbers
    line: Numbers
    inferred: Numbers
    object_bytes: Numbers
    buckets: Numbers
    node: Numbers
    before_objects: Numbers
    before_bytes: Numbers
    after_objects: Numbers
    after_bytes: Numbers
    low_objects: Numbers
    high_objects: Numbers
    low_bytes: Numbers
    high_bytes: Numbers
    survived_low_objects: Numbers
    survived_high_objects: Numbers
    survived_low_bytes: Numbers
    survived_high_bytes: Numbers
    allocated_bytes: Numbers | None
    samples: Numbers
    p_value: list[float]
    significant: Numbers
    verdict: Numbers
    history_bytes: NotRequired[list[Numbers]]


class StackTree(TypedDict):
    """Stacks from the root on: `parent` and `frame` by node, the others by frame."""

    parent: Numbers
    frame: Numbers
    function: Numbers
    file: Numbers
    line: Numbers


class ColumnsDocument(TypedDict):
    """The whole document; see `columns_document`."""

    schema: str
    diff: dict[str, Any]
    tables: dict[str, RowColumns]
    tree: StackTree
    strings: list[str]


def columns_document(diff: Diff, groupings: Collection[By] = GROUPINGS) -> ColumnsDocument:
    """Return the document as values that JSON knows.

    `diff` is the `memsnap.diff/1` document without its sites.  `tables` has one table a grouping;
    each row's `node` is the leaf of its stack in `tree`, where node 0 is the root and every other
    node's `parent` stands before it.  A text or a node of -1 is unknown or does not apply.
    """
    diff, _ = settled(diff)
    texts = _Texts()
    tree = _Tree(diff)
    return {
        "schema": SCHEMA,
        "diff": diff_document(diff, with_sites=False),
        "tables": {by.value: _table(diff.table(by), tree, texts) for by in groupings},
        "tree": tree.document(texts),
        "strings": texts.known,
    }


class _Texts:
    """The strings of a document, each once."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Return the place of a text."""
        place = self._places.setdefault(text, len(self.known))
        if place == len(self.known):
            self.known.append(text)
        return place

    def column(self, places: Int32s, strings: tuple[str, ...]) -> list[int]:
        """Return indices of `strings` as places of this document; -1 stays."""
        used, inverse = np.unique(places, return_inverse=True)
        moved = [self.add(strings[at]) if at >= 0 else -1 for at in used.tolist()]
        return np.array(moved, dtype=np.int64)[inverse.reshape(-1)].tolist()


class _Tree:
    """The stacks of all selected sites from the root on, equal beginnings joined."""

    def __init__(self, diff: Diff) -> None:
        self._frames = diff.alignment.frames
        rows = diff.selected
        start, frame = stacks(diff.alignment, rows)
        leaf, self._parent, self._frame = grow(start, frame)
        self._leaves = np.full(len(diff.alignment), -1, dtype=np.int64)
        self._leaves[rows] = leaf

    def leaves(self, rows: Int64s) -> list[int]:
        """Return the leaf of each row of the alignment."""
        return self._leaves[rows].tolist()

    def document(self, texts: _Texts) -> StackTree:
        """Return the nodes and the frames that they stand for."""
        frames, strings = self._frames, self._frames.strings
        used, inverse = np.unique(self._frame[1:], return_inverse=True)
        return {
            "parent": self._parent.tolist(),
            "frame": [-1, *inverse.reshape(-1).tolist()],
            "function": texts.column(frames.function[used], strings),
            "file": texts.column(frames.file[used], strings),
            "line": frames.line[used].tolist(),
        }


def grow(start: Int64s, frame: Int32s) -> tuple[Int64s, Int64s, Int64s]:
    """Return the tree of ragged stacks: the leaf of each, and parent and frame of each node.

    Stack `i` is `frame[start[i]:start[i + 1]]`, innermost first.  Node 0 is the root, with parent
    and frame -1; an empty stack has it as its leaf.  Nodes of one depth follow each other.
    """
    leaf = np.zeros(len(start) - 1, dtype=np.int64)
    parents: list[Int64s] = [np.array([-1], dtype=np.int64)]
    frames: list[Int64s] = [np.array([-1], dtype=np.int64)]
    many = int(frame.max(initial=0)) + 1
    nodes, depth = 1, 0
    here = np.flatnonzero(start[1:] - start[:-1] > depth)
    while len(here):
        keys = leaf[here] * many + frame[start[here + 1] - 1 - depth]
        distinct, inverse = np.unique(keys, return_inverse=True)
        parents.append(distinct // many)
        frames.append(distinct % many)
        leaf[here] = nodes + inverse.reshape(-1)
        nodes, depth = nodes + len(distinct), depth + 1
        here = here[start[here + 1] - start[here] > depth]
    return leaf, np.concatenate(parents), np.concatenate(frames)


def _table(table: Table, tree: _Tree, texts: _Texts) -> RowColumns:
    """Return one table, sure growth first."""
    table = table.take(order(table, Sort.CONFIDENCE))
    limits, survived = table.growth_bounds, table.survived
    columns: dict[str, Any] = {
        **_keys(table.keys, texts),
        "node": tree.leaves(table.keys.example),
        "before_objects": table.before.objects,
        "before_bytes": table.before.bytes,
        "after_objects": table.after.objects,
        "after_bytes": table.after.bytes,
        "low_objects": limits.low_objects,
        "high_objects": limits.high_objects,
        "low_bytes": limits.low_bytes,
        "high_bytes": limits.high_bytes,
        "survived_low_objects": survived.low_objects,
        "survived_high_objects": survived.high_objects,
        "survived_low_bytes": survived.low_bytes,
        "survived_high_bytes": survived.high_bytes,
        "allocated_bytes": None if table.allocated is None else table.allocated.bytes,
        "samples": table.changed,
        "p_value": np.round(table.p_value, 6),
        "significant": table.significant.astype(np.int8),
        "verdict": [texts.add(verdict.value) for verdict in table.verdict],
    }
    if table.history.shape[1] > 2:
        columns["history_bytes"] = table.history
    return cast("RowColumns", {name: _plain(column) for name, column in columns.items()})


def _keys(keys: Keys, texts: _Texts) -> dict[str, Any]:
    names = ("type", "alloc", "function", "file", "package")
    return {
        **{name: texts.column(getattr(keys, name), keys.strings) for name in names},
        "line": keys.line,
        "inferred": keys.inferred.astype(np.int8),
        "object_bytes": keys.object_bytes,
        "buckets": keys.members,
    }


def _plain(column: list[int] | npt.NDArray[Any] | None) -> list[Any] | None:
    return column.tolist() if isinstance(column, np.ndarray) else column
