"""Samples get labels of text, and lose nothing but earlier ones of the same keys."""

import numpy as np
from builders.profiles import Row, as_data, heap

from memsnap.pprof.decode import decode
from memsnap.pprof.encode import encode
from memsnap.pprof.heap import string_label
from memsnap.pprof.labelling import with_text_labels
from memsnap.pprof.profile import Profile

PROFILE = heap(
    Row("main.a a.go:1", size=16, alloc=9, live=9, type="main.Old", kind="new"),
    Row("main.b a.go:2", size=32, alloc=9, live=9),
)


def texts(profile: Profile, key: str) -> list[str]:
    return [profile.strings[at] if at >= 0 else "" for at in string_label(profile, key).tolist()]


def test_a_column_gives_every_sample_its_text() -> None:
    labelled = with_text_labels(PROFILE, {"colour": ["red", ""], "shape": ["", "round"]})

    assert texts(labelled, "colour") == ["red", ""]
    assert texts(labelled, "shape") == ["", "round"]
    assert (np.diff(labelled.labels.sample) >= 0).all()


def test_labels_of_the_same_key_are_replaced_and_others_kept() -> None:
    labelled = with_text_labels(PROFILE, {"type": ["", "main.New"]})

    assert texts(labelled, "type") == ["", "main.New"]
    assert texts(labelled, "alloc") == ["new", ""]
    kept = labelled.labels.number[labelled.labels.string < 0]
    assert kept.tolist() == [16, 32]


def test_no_columns_change_nothing() -> None:
    assert as_data(with_text_labels(PROFILE, {})) == as_data(PROFILE)


def test_labels_survive_the_wire() -> None:
    labelled = with_text_labels(PROFILE, {"type": ["[]uint8", "main.T"]})

    assert texts(decode(encode(labelled), name="x"), "type") == ["[]uint8", "main.T"]
