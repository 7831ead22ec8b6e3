"""Gives the samples of a profile labels of text."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from memsnap.pprof.profile import Int32s, Labels, Profile


def with_text_labels(profile: Profile, columns: Mapping[str, Sequence[str]]) -> Profile:
    """Return `profile` with a label of each key of `columns` on every sample.

    A column holds one text per sample, empty for no label.  Labels of those keys that the profile
    had are gone, all others stay, and strings keep their places.
    """
    strings = list(profile.strings)
    places = {text: at for at, text in reversed(list(enumerate(strings)))}

    def place(text: str) -> int:
        if text not in places:
            places[text] = len(strings)
            strings.append(text)
        return places[text]

    parts = [
        _column(place(key), np.array([place(text) if text else -1 for text in texts], np.int32))
        for key, texts in columns.items()
    ]
    old = profile.labels
    # A text may stand several times among the strings.
    ours = [at for at, text in enumerate(strings) if text in columns]
    kept = np.flatnonzero(~np.isin(old.key, np.array(ours, np.int32), kind="table"))
    labels = _merged([_taken(old, kept), *parts])
    return replace(profile, labels=labels, strings=tuple(strings))


def _column(key: int, values: Int32s) -> Labels:
    samples = np.flatnonzero(values >= 0).astype(np.int32)
    return Labels(
        sample=samples,
        key=np.full(len(samples), key, np.int32),
        string=values[samples],
        number=np.zeros(len(samples), np.int64),
        unit=np.zeros(len(samples), np.int32),
    )


def _taken(labels: Labels, rows: npt.NDArray[np.intp]) -> Labels:
    return Labels(
        sample=labels.sample[rows],
        key=labels.key[rows],
        string=labels.string[rows],
        number=labels.number[rows],
        unit=labels.unit[rows],
    )


def _merged(parts: Sequence[Labels]) -> Labels:
    """Return all labels in the order of their samples."""
    everything = Labels(
        sample=np.concatenate([part.sample for part in parts]),
        key=np.concatenate([part.key for part in parts]),
        string=np.concatenate([part.string for part in parts]),
        number=np.concatenate([part.number for part in parts]),
        unit=np.concatenate([part.unit for part in parts]),
    )
    return _taken(everything, np.argsort(everything.sample, kind="stable"))
