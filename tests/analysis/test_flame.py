"""The tree of calls, against a slow twin that walks every stack."""

from collections import defaultdict

from builders.captures import after, before, taken
from builders.profiles import Row
from hypothesis import given
from hypothesis import strategies as st

from memsnap.analysis.diff import diff
from memsnap.analysis.flame import Flame, flame
from memsnap.analysis.select import Selection


def as_paths(tree: Flame) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return a tree as its paths from the root, each with both sides."""
    paths: list[tuple[str, ...]] = []
    for function, parent in zip(tree.function.tolist(), tree.parent.tolist(), strict=True):
        paths.append((*paths[parent], tree.strings[function]) if parent >= 0 else ())
    sides = zip(tree.before.tolist(), tree.after.tolist(), strict=True)
    return dict(zip(paths, sides, strict=True))


def slow(result) -> dict[tuple[str, ...], tuple[int, int]]:
    sums = defaultdict(lambda: (0, 0), {(): (0, 0)})
    for row in result.rows():
        names = tuple(frame.function for frame in reversed(row.stack))
        for depth in range(len(names) + 1):
            one, other = sums[names[:depth]]
            sums[names[:depth]] = one + row.before.bytes, other + row.after.bytes
    return {path: sides for path, sides in sums.items() if any(sides) or not path}


NAMES = st.sampled_from(["main.a", "main.b", "io.c"])
STACKS = st.lists(NAMES, min_size=1, max_size=6).map(
    lambda names: " < ".join(f"{name} x.go:{at}" for at, name in enumerate(names))
)
ROWS = st.lists(
    st.builds(
        Row, STACKS, size=st.sampled_from([8, 48]), alloc=st.just(99), live=st.integers(0, 9)
    ),
    max_size=12,
)


@given(ROWS, ROWS)
def test_it_is_what_walking_every_stack_gives(first, second):
    result = diff([taken(*first), taken(*second, later_s=9)])
    tree = flame(result, result.counts.live_bytes, limit=10_000)

    assert as_paths(tree) == slow(result)
    assert len(tree) == tree.total


@given(ROWS, ROWS, st.integers(1, 6))
def test_what_is_left_out_is_smaller_and_hangs_on_nothing(first, second, limit):
    result = diff([taken(*first), taken(*second, later_s=9)])
    whole = as_paths(flame(result, result.counts.live_bytes, limit=10_000))
    cut = flame(result, result.counts.live_bytes, limit=limit)
    kept = as_paths(cut)

    assert len(cut) == min(limit, len(whole))
    assert kept.items() <= whole.items()
    assert all(path[:-1] in kept for path in kept)
    least = min(max(sides) for sides in kept.values())
    assert all(max(whole[path]) <= least for path in whole.keys() - kept.keys())


def test_parents_come_first_and_the_largest_sibling_before_the_others():
    result = diff([before(), after()])
    tree = flame(result, result.counts.live_bytes, limit=100)

    assert tree.parent.tolist()[0] == -1
    assert all(parent < at for at, parent in enumerate(tree.parent.tolist()))
    places = defaultdict(list)
    for parent, one, other in zip(tree.parent, tree.before, tree.after, strict=True):
        places[int(parent)].append(max(one, other))
    assert all(sizes == sorted(sizes, reverse=True) for sizes in places.values())


def test_a_selection_has_a_tree_of_its_own():
    whole = diff([before(), after()])
    narrowed = whole.narrowed(Selection(function="main.handle"))
    asked = diff([before(), after()], Selection(function="main.handle"))

    assert as_paths(flame(narrowed, narrowed.counts.live_bytes, limit=100)) == slow(asked)
    assert list(narrowed.rows()) == list(asked.rows())
