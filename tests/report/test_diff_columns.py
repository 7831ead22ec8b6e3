"""The columns that the page draws from, against the rows that they stand for."""

from dataclasses import replace

import numpy as np
from builders.profiles import Row
from hypothesis import given
from hypothesis import strategies as st

from memsnap.analysis.diff import diff
from memsnap.analysis.table import By
from memsnap.report.columns import GROUPINGS, columns_document, grow
from memsnap.report.document import row_document


def stack_of(document, node):
    """Spell out a leaf's stack, innermost first."""
    tree, strings = document["tree"], document["strings"]
    frames = []
    while node > 0:
        frame = tree["frame"][node]
        function, file = (strings[tree[name][frame]] for name in ("function", "file"))
        frames.append({"function": function, "file": file, "line": tree["line"][frame]})
        node = tree["parent"][node]
    return frames


def test_every_row_says_what_its_row_in_the_diff_document_says(pair):
    compared = diff(pair)
    document = columns_document(compared)
    for by in GROUPINGS:
        table = document["tables"][by.value]
        for at, row in enumerate(map(row_document, compared.rows(by))):
            assert table["before_bytes"][at] == row["before"]["bytes"]
            assert table["after_objects"][at] == row["after"]["objects"]
            assert table["low_bytes"][at] == row["growth"]["low_bytes"]
            assert table["survived_high_bytes"][at] == row["survived"]["high_bytes"]
            assert document["strings"][table["verdict"][at]] == row["verdict"]
            assert stack_of(document, table["node"][at]) == row["stack"]


def test_born_and_died_follow_from_what_is_there(pair):
    compared = diff(pair)
    table = columns_document(compared)["tables"]["site"]
    for at, row in enumerate(map(row_document, compared.rows(By.SITE))):
        born = table["after_bytes"][at] - table["survived_high_bytes"][at]
        died = table["before_bytes"][at] - table["survived_low_bytes"][at]
        assert (born, died) == (row["born"]["low_bytes"], row["died"]["high_bytes"])


def test_the_document_knows_its_form_and_leaves_the_sites_to_its_tables(pair):
    document = columns_document(diff(pair))
    assert document["schema"] == "memsnap.columns/1"
    assert "sites" not in document["diff"]


def test_a_series_brings_the_history_of_its_rows(pair, take):
    before, after = pair
    middle = replace(take("m.snap", Row("main.load shop.go:12", size=1024, alloc=9, live=9)))
    table = columns_document(diff([before, middle, after]))["tables"]["site"]
    assert all(len(row) == 3 for row in table["history_bytes"])


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=20))
def test_a_tree_gives_every_stack_back_and_shares_what_they_share(stacks):
    start = np.cumsum([0, *map(len, stacks)])
    frame = np.array([each for stack in stacks for each in stack], dtype=np.int32)
    leaf, parent, frames = grow(start, frame)
    for at, stack in enumerate(stacks):
        spelled, node = [], int(leaf[at])
        while node:
            spelled.append(int(frames[node]))
            node = int(parent[node])
        assert spelled == stack
    outermost_first = {
        tuple(reversed(stack[-depth:])) for stack in stacks for depth in range(1, len(stack) + 1)
    }
    assert len(parent) == 1 + len(outermost_first)
    assert all(parent[node] < node for node in range(len(parent)))
