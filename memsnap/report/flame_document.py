"""The tree of calls of a diff as JSON: `memsnap.flame/1`, compact columns for a flame graph."""

from dataclasses import dataclass

import numpy as np

from memsnap.analysis.columns import distinct_of_all
from memsnap.analysis.diff import Diff
from memsnap.analysis.flame import flame
from memsnap.errors import UsageError
from memsnap.pprof.profile import Int64s
from memsnap.report.export import Value, counted

SCHEMA = "memsnap.flame/1"
MOST_NODES = 100_000
"""The most nodes of one document: twice as many as a flame graph shows at once."""

_ROOT = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlameDocument:
    """Nodes as columns of one length; a parent comes before its children, node 0 is the root.

    Node `i` is the function `names[name[i]]`, whose file is `files[file[name[i]]]`.  `before` and
    `after` include what lies below; siblings are sorted by the larger of the two.  `nodes` is the
    size of the whole tree, `pruned` how many of them are left out, the smallest ones: what they
    hold is still in those above them.
    """

    schema: str = SCHEMA
    value: str
    unit: str
    names: tuple[str, ...]
    files: tuple[str, ...]
    file: tuple[int, ...]
    name: tuple[int, ...]
    parent: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    nodes: int
    pruned: int


def flame_document(diff: Diff, value: Value, *, limit: int) -> FlameDocument:
    """Return the document of the selected rows.

    Raises UsageError where a capture has no allocations and they are asked for.
    """
    tree = flame(diff, _column(diff, value), limit=limit)
    strings = (*tree.strings, _ROOT, "")  # the last two are the root's
    function = np.where(tree.function < 0, len(tree.strings), tree.function)
    file = np.where(tree.file < 0, len(tree.strings) + 1, tree.file)
    texts, (name,) = distinct_of_all([function])
    first = np.zeros(len(texts), dtype=np.int64)
    first[name[::-1]] = file[::-1]  # the last write wins: the file of its first node
    files, (of_name,) = distinct_of_all([first])
    return FlameDocument(
        value=value.value,
        unit="bytes" if value.value.endswith("_space") else "objects",
        names=tuple(strings[at] for at in texts.tolist()),
        files=tuple(strings[at] for at in files.tolist()),
        file=tuple(of_name.tolist()),
        name=tuple(name.tolist()),
        parent=tuple(tree.parent.tolist()),
        before=tuple(tree.before.tolist()),
        after=tuple(tree.after.tolist()),
        nodes=tree.total,
        pruned=tree.total - len(tree),
    )


def _column(diff: Diff, value: Value) -> Int64s:
    column = counted(diff.counts, value)
    if column is None:
        raise UsageError(
            "allocations do not compare between these captures, only what is in use",
            hint="inuse_space or inuse_objects",
        )
    return column
