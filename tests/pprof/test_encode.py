"""What we write: readable by ourselves, by the slow twin, and by Go's own pprof."""

import dataclasses
import gzip

import numpy as np
import pytest
from builders.profiles import Row, Sample, as_data, build, heap, scaled
from builders.slow_decoder import resolved, slow_decode

from memsnap.pprof.decode import decode
from memsnap.pprof.encode import compress, encode


def busy_profile():
    return heap(
        Row("main.leak leak.go:12 | main.run run.go:3 < main.main main.go:5", 48, 90, 70),
        Row("main.grow grow.go:8 < main.main main.go:6", 4096, 20, 10, "[]uint8", "append"),
        Row("", 16, 1, 0),
        time_nanos=1_700_000_000_000_000_000,
        duration_nanos=-1,
        default_sample_type="inuse_space",
        drop_frames="runtime.*",
        keep_frames="main.*",
        doc_url="https://example.org/",
        comments=("first", "second"),
        extension=bytes(range(256)),
    )


def test_every_part_survives_the_round_trip():
    profile = busy_profile()

    assert as_data(decode(encode(profile), name="a")) == as_data(profile)


def test_the_slow_twin_reads_what_is_written():
    profile = busy_profile()

    assert slow_decode(encode(profile)) == resolved(profile)


def test_profiles_of_no_samples_can_be_written():
    profile = build([], mapping=None, period_type=None)

    assert as_data(decode(encode(profile), name="a")) == as_data(profile)


def test_samples_keep_their_order_and_labels_across_chunks():
    samples = [
        Sample(
            stack=" < ".join(["main.f a.go:1", "main.g b.go:2"][: row % 3]),
            values=(row, -row, row << 40, 0),
            labels={"bytes": row} if row % 2 else {},
        )
        for row in range(20_000)
    ]
    profile = build(samples, units={"bytes": "bytes"})

    assert as_data(decode(encode(profile), name="a")) == as_data(profile)


def test_texts_that_the_table_lacks_are_added_to_it():
    profile = busy_profile()
    commented = dataclasses.replace(profile, comments=("new", "second", "new"))

    again = decode(encode(commented), name="a")

    assert again.comments == ("new", "second", "new")
    assert again.strings == (*profile.strings, "new")


def test_lone_surrogates_of_file_names_do_not_stop_writing():
    profile = build([Sample(stack="main.f caf\udce9.go:1", values=(1, 1, 1, 1))])

    assert "caf?.go" in decode(encode(profile), name="a").strings


def test_compression_is_gzip_and_the_same_every_time():
    data = encode(busy_profile())

    assert gzip.decompress(compress(data)) == data
    assert compress(data) == compress(data)
    assert compress(data)[4:8] == bytes(4)  # no time of writing


@pytest.mark.go
def test_gos_pprof_opens_it_and_counts_the_same(pprof, tmp_path):
    file = tmp_path / "written.pb.gz"
    file.write_bytes(compress(encode(busy_profile())))

    for column, (count, index) in {
        "alloc_objects": ((90, 20), 0),
        "alloc_space": ((90, 20), 1),
        "inuse_objects": ((70, 10), 0),
        "inuse_space": ((70, 10), 1),
    }.items():
        leak = scaled(count[0], 48, 524288)[index]
        grow = scaled(count[1], 4096, 524288)[index]
        # Its own drop_frames and keep_frames apply, and spare main.
        top = pprof.top(file, sample_index=column)
        assert top["main.leak"] == (leak, leak)
        assert top["main.run"] == (0, leak)
        assert top["main.main"] == (0, leak + grow)


def test_large_stacks_encode_as_they_are():
    frames = " < ".join(f"main.f{depth} f.go:{depth}" for depth in range(300))
    profile = build([Sample(stack=frames, values=(1, 2, 3, 4))])

    again = decode(encode(profile), name="a")

    assert np.array_equal(again.stack, np.arange(300))
