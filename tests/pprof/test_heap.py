"""From estimates back to counts, and refusing what is no heap."""

import numpy as np
import pytest
from builders.profiles import HEAP_TYPES, Row, Sample, build, heap, scaled
from hypothesis import given
from hypothesis import strategies as st

from memsnap.errors import FormatError
from memsnap.pprof.heap import heap_samples, sampling_probability, string_label

# runtime/sizeclasses.go, and sizes beyond it.
SIZE_CLASSES = [8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256]
SIZE_CLASSES += [288, 320, 352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152]
SIZE_CLASSES += [1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5120]
SIZE_CLASSES += [5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568]
SIZE_CLASSES += [14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768]
SIZES = st.one_of(st.sampled_from(SIZE_CLASSES), st.integers(1, 1 << 40))
RATES = st.one_of(
    st.sampled_from([1, 2, 512, 4096, 65536, 524288, 1 << 30]), st.integers(1, 1 << 20)
)


def refused(profile):
    with pytest.raises(FormatError) as caught:
        heap_samples(profile, name="a.pb")
    assert "a.pb" in caught.value.message
    return caught.value


def test_counts_are_recovered_row_by_row():
    profile = heap(
        Row("main.f a.go:1", 48, alloc=9, live=7),
        Row("main.f a.go:1", 48, alloc=2, live=0),
        Row("main.f a.go:1", 1 << 20, alloc=3, live=3),
    )

    samples = heap_samples(profile, name="a")

    assert samples.object_bytes.tolist() == [48, 48, 1 << 20]
    assert samples.alloc_raw.tolist() == [9, 2, 3]
    assert samples.live_raw.tolist() == [7, 0, 3]
    assert samples.live_bytes.tolist() == profile.values[:, 3].tolist()
    assert samples.alloc_objects.tolist() == profile.values[:, 0].tolist()
    assert samples.exact.all()
    assert samples.has_alloc
    assert samples.rate == 524288


@given(st.lists(st.tuples(SIZES, st.integers(0, 1 << 31), st.integers(0, 300)), max_size=20), RATES)
def test_every_count_of_every_size_is_recovered_exactly(rows, rate):
    # Go's own integers overflow beyond, and its 1 - exp has too few digits for larger counts of
    # the rarest samples.
    rows = [
        (size, alloc if alloc * (1 + rate / size) < 1 << 48 > alloc * size >> 14 else 1, live)
        for size, alloc, live in rows
    ]
    profile = heap(
        *[Row("main.f a.go:1", size, alloc, live) for size, alloc, live in rows], rate=rate
    )

    samples = heap_samples(profile, name="a")

    assert samples.live_raw.tolist() == [live for _, _, live in rows]
    assert samples.alloc_raw.tolist() == [alloc for _, alloc, _ in rows]
    assert samples.exact.all()


def test_counts_beyond_what_a_float_tells_apart_are_not_called_exact():
    profile = heap(Row("main.f a.go:1", 8, 1 << 31, 1), rate=1 << 30)

    samples = heap_samples(profile, name="a")

    assert not samples.exact.any()
    assert samples.alloc_raw[0] == pytest.approx(1 << 31, rel=1e-6)


@pytest.mark.parametrize("size", SIZE_CLASSES)
def test_small_counts_of_every_size_class_are_recovered(size):
    counts = range(1, 2000)
    profile = heap(*[Row("main.f a.go:1", size, count, count) for count in counts])

    samples = heap_samples(profile, name="a")

    assert samples.live_raw.tolist() == list(counts)
    assert samples.exact.all()


@pytest.mark.parametrize("nudge", [-1, 1])
def test_an_exp_that_differs_in_its_last_bit_does_no_harm(nudge):
    values = [value + nudge for value in scaled(1000, 48, 524288)]
    profile = build([Sample(stack="", values=(*values, *values), labels={"bytes": 48})])

    samples = heap_samples(profile, name="a")

    assert samples.live_raw.tolist() == [1000]
    assert samples.exact.all()


def test_values_that_no_count_explains_are_marked():
    objects, size = scaled(10, 4096, 524288)
    half = build(
        [Sample(stack="", values=(objects, size, objects, size // 2), labels={"bytes": 4096})]
    )
    averaged = build([Sample(stack="", values=(0, 0, 3, 100_000), labels={"bytes": 4096})])

    assert not heap_samples(half, name="a").exact.any()
    assert heap_samples(half, name="a").alloc_raw.tolist() == [10]
    assert not heap_samples(averaged, name="a").exact.any()


def test_without_the_label_the_size_is_the_mean():
    values = scaled(5, 1 << 20, 524288)
    profile = build(
        [Sample(stack="", values=(*values, *values)), Sample(stack="", values=(0,) * 4)]
    )

    samples = heap_samples(profile, name="a")

    assert samples.object_bytes[1] == 0
    assert abs(int(samples.object_bytes[0]) - (1 << 20)) < 1 << 18
    assert samples.live_raw.tolist() == [5, 0]
    assert samples.exact[1]


def test_columns_are_found_by_name():
    profile = build(
        [Sample(stack="", values=(96, 7, 2), labels={"bytes": 48})],
        types=[("inuse_space", "bytes"), ("other", "count"), ("inuse_objects", "count")],
        period=1,
    )

    samples = heap_samples(profile, name="a")

    assert samples.live_raw.tolist() == [2]
    assert samples.live_bytes.tolist() == [96]
    assert not samples.has_alloc
    assert samples.alloc_raw.tolist() == [0]
    assert samples.alloc_bytes.tolist() == [0]


def test_cpp_heaps_of_one_pair_are_heaps():
    profile = build(
        [Sample(stack="", values=(2, 96), labels={"bytes": 48})],
        types=[("objects", "count"), ("space", "bytes")],
        period=1,
    )

    assert heap_samples(profile, name="a").live_raw.tolist() == [2]


def test_profiles_without_samples_are_heaps():
    assert len(heap_samples(heap(), name="a")) == 0


def test_a_rate_beyond_all_sizes_proves_nothing_and_warns_of_nothing():
    profile = build([Sample(stack="", values=(1, 8, 1, 8), labels={"bytes": 8})], period=1 << 62)

    assert not heap_samples(profile, name="a").exact.any()


@pytest.mark.parametrize(
    ("types", "what"),
    [
        ([("samples", "count"), ("cpu", "nanoseconds")], "a CPU profile"),
        ([("goroutine", "count")], "a goroutine profile"),
        ([("goroutineleak", "count")], "a goroutine leak profile"),
        ([("contentions", "count"), ("delay", "nanoseconds")], "a block or mutex profile"),
        ([("threadcreate", "count")], "a thread creation profile"),
        ([("inuse_space", "bytes")], "a profile of inuse_space"),
    ],
)
def test_other_profiles_are_named(types, what):
    error = refused(build([], types=types))

    assert what in error.message
    assert "/debug/pprof/heap" in error.hint


@pytest.mark.parametrize("rate", [0, -1])
def test_profiling_that_is_off_is_said_so(rate):
    error = refused(build([], period=rate))

    assert "profiling is off" in error.message
    assert "GODEBUG=memprofilerate" in error.hint


@pytest.mark.parametrize("column", range(4))
def test_deltas_are_refused(column):
    values = [1, 48, 1, 48]
    values[column] *= -1

    error = refused(build([Sample(stack="", values=values, labels={"bytes": 48})]))

    assert "delta" in error.message
    assert "?seconds=" in error.message


def test_the_sampling_probability_is_that_of_a_poisson_process():
    sizes = np.array([0, 8, 524288, 1 << 40])

    likely = sampling_probability(sizes, 524288)

    assert likely == pytest.approx([0, 1.52587e-05, 0.63212, 1], rel=1e-5)
    assert sampling_probability(sizes, 1).tolist() == [1, 1, 1, 1]


def test_text_labels_are_columns():
    profile = heap(
        Row("main.f a.go:1", 48, 1, 1, type="http.Request", kind="new"),
        Row("main.f a.go:1", 64, 1, 1),
        Row("main.f a.go:1", 64, 1, 1, kind="append"),
    )

    def texts(key):
        return [
            profile.strings[place] if place >= 0 else None for place in string_label(profile, key)
        ]

    assert texts("type") == ["http.Request", None, None]
    assert texts("alloc") == ["new", None, "append"]
    assert texts("bytes") == [None] * 3
    assert texts("unheard of") == [None] * 3
    assert [kind for kind, _ in HEAP_TYPES] == [kind.type for kind in profile.sample_types]
